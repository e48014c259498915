import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import type { Transport, TransportEvents } from './transport.ts';

/** What one write may have: the caller's batch, while nothing else waits. */
const maxWriteBytes = 1024 * 1024;
/** Reading stops when so much was delivered and is not consumed, and goes on at half of it. */
const readAheadBytes = 1024 * 1024;

/**
 * A connected TCP, unix or TLS socket. One write is under way at a time: then capacity is 0 until
 * the kernel has taken it all, so that what waits stays with the writer and goes out in one batch.
 */
export class SocketTransport implements Transport {
  readonly peer: string;
  readonly #socket: Socket;
  readonly #drop: () => void;
  #events: TransportEvents | undefined;
  #unconsumed = 0;
  #wantsDrain = false;
  #peerHasEnded = false;
  #hasEnded = false;
  #error: Error | undefined;
  #isClosed = false;
  readonly #onWritten = () => {
    if (this.#socket.writableLength === 0) this.#events?.onReleased?.();
    this.#drain();
  };

  /**
   * Takes over a socket that is paused. What it reads has to be given to {@link deliver}.
   *
   * @param drop destroys the socket. Default: as it does itself
   */
  constructor(socket: Socket, peer: string, drop?: () => void) {
    this.#socket = socket;
    this.#drop = drop ?? (() => void socket.destroy());
    this.peer = peer;
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('end', () => {
      this.#peerHasEnded = true;
      this.#events?.onEnd();
    });
    socket.on('close', () => {
      this.#isClosed = true;
      this.#events?.onClose(this.#error);
    });
  }

  start(events: TransportEvents): void {
    if (this.#events !== undefined) throw new Error('this socket was started already');
    this.#events = events;
    if (this.#isClosed) {
      events.onClose(this.#error);
      return;
    }
    if (this.#peerHasEnded) events.onEnd();
    this.#drain();
    if (!this.#socket.destroyed) this.#socket.resume();
  }

  capacity(): number {
    if (this.#hasEnded || this.#socket.destroyed) return 0;
    if (this.#socket.writableLength === 0) return maxWriteBytes;
    this.#wantsDrain = true;
    return 0;
  }

  write(bytes: Buffer, length: number): boolean {
    if (this.#socket.destroyed) return true;
    if (length > this.capacity()) throw new RangeError('write beyond the capacity');
    const chunk = length === bytes.length ? bytes : bytes.subarray(0, length);
    this.#socket.write(chunk, this.#onWritten);
    // Zero means that the kernel took everything within the call.
    return this.#socket.writableLength === 0;
  }

  consumed(length: number): void {
    this.#unconsumed = Math.max(0, this.#unconsumed - length);
    if (this.#events === undefined || this.#unconsumed > readAheadBytes / 2) return;
    if (this.#socket.isPaused() && !this.#socket.destroyed) this.#socket.resume();
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#socket.end();
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#drop();
  }

  /** Takes bytes that the socket has read. */
  deliver(chunk: Buffer): void {
    if (this.#events === undefined || this.#socket.destroyed) return;
    this.#unconsumed += chunk.length;
    this.#events.onData(chunk);
    if (this.#unconsumed > readAheadBytes && !this.#socket.destroyed) this.#socket.pause();
  }

  #drain(): void {
    if (!this.#wantsDrain || this.#events === undefined || this.capacity() === 0) return;
    this.#wantsDrain = false;
    this.#events.onDrain();
  }
}

/** A socket's reads into memory that the caller chose, instead of 'data' events. */
export interface Reading {
  /** For the socket's constructor. */
  readonly options: { readonly onread: OnReadOpts };
  /** Gets what is read. Nothing is read before it is set, because the socket is paused. */
  target: SocketTransport | undefined;
}

/** Prepares a socket that reads into `buffer`. */
export function readInto(buffer: Buffer): Reading {
  const reading: Reading = {
    target: undefined,
    options: {
      onread: {
        buffer,
        callback(length) {
          reading.target?.deliver(buffer.subarray(0, length));
          return true;
        },
      },
    },
  };
  return reading;
}

export interface SocketTransportOptions {
  /** How the socket reads, if it has memory for that. */
  readonly reading?: Reading;
  /** Destroys the socket. Default: what was written may still be sent. */
  drop?(): void;
}

/** Makes a transport of a socket that has read nothing yet. */
export function createSocketTransport(
  socket: Socket,
  peer: string,
  { reading, drop }: SocketTransportOptions = {},
): SocketTransport {
  socket.pause();
  const transport = new SocketTransport(socket, peer, drop);
  if (reading === undefined) socket.on('data', (chunk: Buffer) => transport.deliver(chunk));
  else reading.target = transport;
  return transport;
}

/**
 * Moves an accepted, paused connection into a socket that reads as `reading` says: Node.js has that
 * option for outgoing sockets only. What this leans on is undocumented, hence the fallback.
 *
 * @returns undefined, and `accepted` untouched, if this Node.js keeps no handle or has read already
 */
export function moveHandle(accepted: Socket, reading: Reading): Socket | undefined {
  if (accepted.bytesRead > 0) return undefined;
  const owner = accepted as unknown as { _handle?: object | null };
  const handle = owner._handle;
  if (handle === undefined || handle === null) return undefined;
  owner._handle = null;
  const options = { handle, readable: true, writable: true, allowHalfOpen: true };
  return new Socket({
    ...options,
    pauseOnCreate: true,
    ...reading.options,
  } as SocketConstructorOpts);
}
