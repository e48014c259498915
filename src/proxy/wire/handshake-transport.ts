import { ByteQueue } from './byte-queue.ts';
import type { Transport, TransportEvents } from './transport.ts';

/** What the first words on a connection look like to the one who decides about it. */
export interface HandshakeEvents {
  /** More arrived: look at `received`, and {@link HandshakeTransport.take} what is understood. */
  onBytes(): void;
  /** The peer ended or the connection is gone before the handshake was over. */
  onGone(error: Error): void;
}

/**
 * A transport whose first bytes are exchanged by a handshake; the rest belongs to whoever starts
 * it then. It costs one call a chunk. What arrives meanwhile is kept; the inner transport's
 * back-pressure bounds it.
 */
export class HandshakeTransport<T extends Transport = Transport> implements Transport {
  readonly peer: string;
  readonly #inner: T;
  #handshake: HandshakeEvents | undefined;
  #events: TransportEvents | undefined;
  readonly #received = new ByteQueue();
  /** Of the handshake, and not sent yet. */
  readonly #unsent = new ByteQueue();
  #wantsDrain = false;
  #wantsEnd = false;
  #peerHasEnded = false;
  #closed: { readonly error: Error | undefined } | undefined;

  constructor(inner: T) {
    this.#inner = inner;
    this.peer = inner.peer;
  }

  /** Starts the inner transport. Called once, before anything else. */
  begin(handshake: HandshakeEvents): void {
    this.#handshake = handshake;
    this.#inner.start({
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => this.#drain(),
      onReleased: () => this.#events?.onReleased?.(),
      onEnd: () => this.#onEnd(),
      onClose: (error) => this.#onClose(error),
    });
  }

  /** How many bytes have arrived and were not taken. */
  get receivedLength(): number {
    return this.#received.length;
  }

  /** A view of up to `length` bytes of what has arrived. */
  peek(length: number): Buffer {
    return this.#received.front().subarray(0, length);
  }

  /** Uses up `length` of the bytes that have arrived. */
  take(length: number): void {
    this.#received.discard(length);
    this.#inner.consumed(length);
  }

  /** Sends a few bytes of the handshake, ahead of every {@link write}, as soon as they fit. */
  say(bytes: Buffer): void {
    this.#unsent.append(bytes);
    this.#sendUnsent();
  }

  /** Ends the handshake: nothing is reported any more until {@link start}. */
  conclude(): void {
    this.#handshake = undefined;
  }

  /** Begins delivery with the bytes that were not taken. */
  start(events: TransportEvents): void {
    if (this.#events !== undefined) throw new Error('this connection was started already');
    this.#handshake = undefined;
    this.#events = events;
    const closedBefore = this.#closed;
    if (closedBefore?.error === undefined) this.#deliverReceived(events);
    if (this.#peerHasEnded && this.#closed === closedBefore) events.onEnd();
    if (closedBefore === undefined) this.#drain();
    else events.onClose(closedBefore.error);
  }

  capacity(): number {
    const capacity = this.#unsent.length > 0 || this.#wantsEnd ? 0 : this.#inner.capacity();
    if (capacity === 0) this.#wantsDrain = true;
    return capacity;
  }

  write(bytes: Buffer, length: number): ReturnType<T['write']> {
    return this.#inner.write(bytes, length) as ReturnType<T['write']>;
  }

  consumed(length: number): void {
    this.#inner.consumed(length);
  }

  end(): void {
    this.#wantsEnd = true;
    if (this.#unsent.length === 0) this.#inner.end();
  }

  destroy(error?: Error): void {
    this.#received.clear();
    this.#unsent.clear();
    this.#inner.destroy(error);
  }

  #onData(chunk: Buffer): void {
    if (this.#events !== undefined) {
      this.#events.onData(chunk);
      return;
    }
    this.#received.append(chunk);
    this.#handshake?.onBytes();
  }

  #drain(): void {
    this.#sendUnsent();
    if (!this.#wantsDrain || this.#events === undefined || this.#wantsEnd) return;
    if (this.#unsent.length > 0 || this.#inner.capacity() === 0) return;
    this.#wantsDrain = false;
    this.#events.onDrain();
  }

  #onEnd(): void {
    this.#peerHasEnded = true;
    this.#events?.onEnd();
    this.#abandonHandshake(undefined);
  }

  #onClose(error: Error | undefined): void {
    this.#closed = { error };
    this.#events?.onClose(error);
    this.#abandonHandshake(error);
  }

  #abandonHandshake(error: Error | undefined): void {
    const handshake = this.#handshake;
    this.#handshake = undefined;
    handshake?.onGone(error ?? new Error('the peer ended the connection in its handshake'));
  }

  #sendUnsent(): void {
    if (this.#unsent.length === 0) return;
    while (this.#unsent.length > 0) {
      const front = this.#unsent.front();
      const length = Math.min(front.length, this.#inner.capacity());
      if (length === 0) return;
      // A copy, because the transport may keep it.
      this.#inner.write(Buffer.from(front.subarray(0, length)), length);
      this.#unsent.discard(length);
    }
    if (this.#wantsEnd) this.#inner.end();
  }

  /** One call may destroy the transport, which clears the queue. */
  #deliverReceived(events: TransportEvents): void {
    while (this.#received.length > 0) {
      const front = this.#received.front();
      this.#received.discard(front.length);
      events.onData(front);
    }
  }
}
