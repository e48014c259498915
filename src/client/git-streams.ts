import type { Readable, Writable } from 'node:stream';

/** What a git process reads and writes. */
export interface GitStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Where git runs and for whom. */
export interface GitRequest {
  /** The virtual storage, like `default`. */
  readonly virtualStorage: string;
  /** Like `group/project.git`. */
  readonly relativePath: string;
  /** What GitLab calls the repository, like `project-42`. */
  readonly glRepository: string;
  /** What git puts into GIT_PROTOCOL, like `version=2`. */
  readonly gitProtocol?: string;
  /** Like `receive.maxInputSize=1000`. */
  readonly gitConfigOptions?: readonly string[];
}

/** Writes `bytes`, and resolves when there is room for more. Rejects if the reader is gone. */
export function writeTo(target: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (target.destroyed || target.errored) {
      reject(target.errored ?? closedError());
      return;
    }
    if (target.write(bytes)) {
      resolve();
      return;
    }
    const settle = (error?: Error | null) => {
      target.off('drain', settle).off('error', settle).off('close', onClose);
      if (error) reject(error);
      else resolve();
    };
    const onClose = () => settle(closedError());
    target.on('drain', settle).on('error', settle).on('close', onClose);
  });
}

function closedError(): Error {
  return new Error('git closed its end of the connection');
}

/** A stream that is being read. */
export interface Pump {
  /**
   * Resolves when the source has ended, when `take` wanted no more, or after `stop`; rejects when
   * `take` or the source failed. A source that is closed before its end has failed.
   */
  readonly done: Promise<void>;
  /** Reads no more, also when the source never ends. */
  stop(): void;
}

/** Gives each chunk of `source` to `take`, the next one only after `take` resolved with true. */
export function startPump(source: Readable, take: (chunk: Buffer) => Promise<boolean>): Pump {
  const chunks: AsyncIterator<Buffer> = source.iterator({ destroyOnReturn: false });
  let isStopped = false;
  let stopWaiting = () => {};

  /** The next chunk, or undefined after the end. Racing a promise that lives long would keep every chunk. */
  const next = () =>
    new Promise<Buffer | undefined>((resolve, reject) => {
      stopWaiting = () => resolve(undefined);
      chunks.next().then(({ done, value }) => resolve(done ? undefined : value), reject);
    });
  const run = async () => {
    for (;;) {
      const chunk = isStopped ? undefined : await next();
      if (chunk === undefined || !(await take(chunk))) return;
    }
  };
  return {
    done: run(),
    stop() {
      isStopped = true;
      stopWaiting();
    },
  };
}
