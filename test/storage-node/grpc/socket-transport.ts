import type { Socket } from 'node:net';
import type { Transport, TransportEvents } from '../../../src/proxy/wire/transport.ts';

const highWaterBytes = 1024 * 1024;

/** A socket as the yamux session wants it. */
export class SocketTransport implements Transport {
  readonly peer: string;
  readonly #socket: Socket;
  #events: TransportEvents | undefined;
  #held = 0;
  #wantsDrain = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.peer = `${socket.remoteAddress ?? 'unix'}:${socket.remotePort ?? 0}`;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    let failure: Error | undefined;
    this.#socket.on('data', (chunk: Buffer) => {
      this.#held += chunk.length;
      if (this.#held > highWaterBytes) this.#socket.pause();
      events.onData(chunk);
    });
    this.#socket.on('end', () => events.onEnd());
    this.#socket.on('error', (error) => {
      failure = error;
    });
    this.#socket.on('close', () => events.onClose(failure));
    this.#socket.resume();
  }

  capacity(): number {
    if (this.#socket.destroyed || !this.#socket.writable) return 0;
    const capacity = Math.max(0, highWaterBytes - this.#socket.writableLength);
    if (capacity === 0) this.#wantsDrain = true;
    return capacity;
  }

  write(bytes: Buffer, length: number): boolean {
    this.#socket.write(bytes.subarray(0, length), () => {
      if (!this.#wantsDrain) return;
      this.#wantsDrain = false;
      this.#events?.onDrain();
    });
    return false;
  }

  consumed(length: number): void {
    this.#held -= length;
    if (this.#held <= highWaterBytes / 2 && this.#socket.isPaused()) this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }
}
