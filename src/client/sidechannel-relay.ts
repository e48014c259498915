import { encodeChunks, endChunk } from '../proxy/wire/sidechannel-chunks.ts';
import type { Transport, TransportEvents } from '../proxy/wire/transport.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';
import { startPump, writeTo, type GitStreams, type Pump } from './git-streams.ts';
import { SidebandReader } from './sideband.ts';

/**
 * Joins git's streams to a sidechannel of SSHUploadPackWithSidechannel: chunks towards the server,
 * with an end of their own; from the server see {@link SidebandReader}, until the stream ends. Each
 * side is held back while the other has no room: what waits here is bounded by the stream's window.
 */
export class SidechannelRelay implements TransportEvents {
  readonly #stream: Transport;
  readonly #streams: GitStreams;
  readonly #reader = new SidebandReader();
  readonly #input: Pump;
  /** Everything that arrived, in order, written to git. */
  #output: Promise<void> = Promise.resolve();
  #hasRoom = () => {};
  #isClosed = false;
  #hasFailed = false;
  #finish!: (error?: Error) => void;
  /** Resolves when the server has ended the stream and git has all of it; rejects on failure. */
  readonly finished: Promise<void>;

  constructor(stream: Transport, streams: GitStreams) {
    this.#stream = stream;
    this.#streams = streams;
    this.finished = new Promise((resolve, reject) => {
      this.#finish = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Whoever awaits it may come later than the failure.
    this.finished.catch(() => {});
    this.#input = startPump(streams.stdin, (chunk) => this.#write(encodeChunks(chunk)));
    this.#input.done.then(
      () => this.#write(endChunk),
      (error: Error) => this.#fail(error),
    );
    stream.start(this);
  }

  onData(chunk: Buffer): void {
    const { length } = chunk;
    // The transport reuses the memory, and git may be slow.
    const read = this.#reader.push(Buffer.from(chunk));
    if (read.kind === 'invalid') {
      this.#fail(new Error(`the server broke the protocol: ${read.message}`));
      return;
    }
    this.#then(async () => {
      for (const { band, bytes } of read.pieces) await writeTo(this.#streams[band], bytes);
      this.#stream.consumed(length);
    });
  }

  onDrain(): void {
    this.#hasRoom();
  }

  onEnd(): void {
    this.#close();
    this.#then(async () => {
      if (!this.#reader.isComplete)
        throw new Error('the output of the server ends inside a packet');
      this.#stream.end();
      this.#finish();
    });
  }

  onClose(error: Error | undefined): void {
    this.#close();
    this.#then(async () => {
      const reason = error?.message ?? 'the server closed it';
      throw new RpcError(statusCodes.UNAVAILABLE, `the sidechannel was lost: ${reason}`);
    });
  }

  /** Drops the stream, if it is still there, and what git has not read. */
  destroy(): void {
    this.#fail(new Error('the call has ended'));
  }

  /** Resolves when everything was taken, with false if the stream is closed. */
  async #write(bytes: Buffer): Promise<boolean> {
    for (let start = 0; start < bytes.length && !this.#isClosed;) {
      const length = Math.min(this.#stream.capacity(), bytes.length - start);
      if (length > 0) this.#stream.write(bytes.subarray(start, start + length), length);
      else await new Promise<void>((resolve) => (this.#hasRoom = resolve));
      start += length;
    }
    return !this.#isClosed;
  }

  /** Does `action` after all output that came before, unless the relay has failed; a failure ends it. */
  #then(action: () => Promise<void>): void {
    this.#output = this.#output.then(() => (this.#hasFailed ? undefined : action()));
    this.#output.catch((error: Error) => this.#fail(error));
  }

  #fail(error: Error): void {
    this.#hasFailed = true;
    this.#finish(error);
    this.#close();
    this.#stream.destroy(error);
  }

  /** No more input goes to the server. */
  #close(): void {
    this.#isClosed = true;
    this.#hasRoom();
    this.#input.stop();
  }
}
