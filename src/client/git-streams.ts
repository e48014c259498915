import type { Readable, Writable } from 'node:stream';
import { deferred } from '../base/deferred.ts';

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
  const stopped = deferred<undefined>();
  return {
    done: pump(source.iterator({ destroyOnReturn: false }), take, stopped.promise),
    stop: () => stopped.resolve(undefined),
  };
}

async function pump(
  chunks: AsyncIterator<Buffer>,
  take: (chunk: Buffer) => Promise<boolean>,
  stopped: Promise<undefined>,
): Promise<void> {
  for (;;) {
    const next = chunks.next();
    // When the pump is stopped it is left behind, and nobody else would handle its failure.
    next.catch(() => {});
    const result = await Promise.race([next, stopped]);
    if (result === undefined || result.done) return;
    if (!(await take(result.value))) return;
  }
}
