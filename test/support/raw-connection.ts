import { connect, type Socket } from 'node:net';
import { systemClock, withTimeout } from '../../src/base/clock.ts';
import { Encoder } from '../../src/proxy/wire/hpack/encoder.ts';
import { headerField } from '../../src/proxy/wire/hpack/header-field.ts';
import { frameHeaderBytes, frameTypes } from '../../src/proxy/wire/http2/frames.ts';

/** A connection on which anything can be said, and that keeps what comes back. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #received: Buffer[] = [];
  readonly #closed: Promise<void>;

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port });
    this.#socket.on('data', (chunk: Buffer) => this.#received.push(chunk));
    // Resets are one way to be closed.
    this.#socket.on('error', () => {});
    this.#closed = new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
    });
  }

  /** Sends without waiting; what the peer does not take any more is lost. */
  send(...pieces: readonly (Buffer | string)[]): this {
    for (const piece of pieces) this.#socket.write(piece);
    return this;
  }

  /** Resolves when the peer has closed the connection; rejects if it has not within the limit. */
  closed(limitMs: number): Promise<void> {
    return withTimeout(systemClock, limitMs, 'the end of the connection', this.#closed);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The error code of the last GOAWAY that arrived. */
  get goAwayCode(): number | undefined {
    const bytes = Buffer.concat(this.#received);
    let code: number | undefined;
    for (let at = 0; at + frameHeaderBytes <= bytes.length;) {
      const payload = at + frameHeaderBytes;
      const end = payload + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      if (bytes[at + 3] === frameTypes.goAway) code = bytes.readUInt32BE(payload + 4);
      at = end;
    }
    return code;
  }
}

/** Header blocks of one connection, in the order in which they are sent. */
export class HeaderBlockWriter {
  readonly #encoder = new Encoder();

  encode(fields: Readonly<Record<string, string>>): Buffer {
    const list = Object.entries(fields).map(([name, value]) => headerField(name, value));
    const block = Buffer.alloc(this.#encoder.bound(list));
    return block.subarray(0, this.#encoder.encode(list, block, 0));
  }
}
