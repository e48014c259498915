import { Duplex } from 'node:stream';
import type { Transport } from '../../../src/proxy/wire/transport.ts';

/** A transport, like a yamux stream, as a stream of Node, so that node:http2 can run over it. */
export class TransportDuplex extends Duplex {
  readonly #transport: Transport;
  /** Pushed, and not known to be read yet. */
  #unread = 0;
  #waiting: { chunk: Buffer; done: (error?: Error | null) => void } | undefined;

  constructor(transport: Transport) {
    super({ allowHalfOpen: true, highWaterMark: 65_536 });
    this.#transport = transport;
    transport.start({
      onData: (chunk) => this.#receive(chunk),
      onDrain: () => this.#flush(),
      onEnd: () => this.push(null),
      onClose: (error) => this.destroy(error),
    });
  }

  override _read(): void {
    const length = this.#unread;
    this.#unread = 0;
    if (length > 0) this.#transport.consumed(length);
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#waiting = { chunk, done };
    this.#flush();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#transport.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // After a clean end on both sides there is nothing left to reset.
    if (error || !this.writableFinished || !this.readableEnded) this.#transport.destroy();
    done(error);
  }

  #receive(chunk: Buffer): void {
    this.#unread += chunk.length;
    // The chunk is only lent to us.
    if (this.push(Buffer.from(chunk))) this._read();
  }

  #flush(): void {
    while (this.#waiting) {
      const { chunk, done } = this.#waiting;
      const length = Math.min(chunk.length, this.#transport.capacity());
      if (length === 0 && chunk.length > 0) return;
      const part = chunk.subarray(0, length);
      this.#transport.write(part, length);
      if (length < chunk.length) {
        this.#waiting = { chunk: chunk.subarray(length), done };
      } else {
        this.#waiting = undefined;
        done();
      }
    }
  }
}
