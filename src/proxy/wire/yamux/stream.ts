import type { Clock, Timer } from '../../../base/clock.ts';
import type { Transport, TransportEvents } from '../transport.ts';
import { frameFlag, initialWindowBytes, maxUint32, YamuxProtocolError } from './frames.ts';

/** What a stream needs of its session. */
export interface StreamHost {
  readonly peer: string;
  readonly clock: Clock;
  /** A stream whose own direction ended and that then hears nothing for so long is reset. */
  readonly streamCloseTimeoutMs: number;
  /** Payload that the session's output takes now. */
  room(): number;
  /** Sends one data frame with a copy of the bytes. */
  sendData(streamId: number, bytes: Buffer, length: number): void;
  /** Sends a window update with these flags. */
  sendWindowUpdate(streamId: number, flags: number, delta: number): void;
  /** Calls the stream's `onRoom` when the output has room again. */
  awaitRoom(stream: YamuxStream): void;
  /** The stream is over: nothing refers to it any more. */
  forget(stream: YamuxStream): void;
}

export interface YamuxStreamOptions {
  readonly id: number;
  /** What the peer may send before we give window back, at least 262144. */
  readonly windowBytes: number;
  /** Whether the peer knows of the stream already. */
  readonly isOpen: boolean;
}

/**
 * One stream of a {@link YamuxSession}. Invariant: what the peer may still send, what it sent and
 * its consumer holds, and what is consumed but not yet given back, add up to `windowBytes`.
 * Bytes that arrive before {@link start} are kept: at most one window.
 */
export class YamuxStream implements Transport {
  readonly id: number;
  readonly peer: string;
  readonly windowBytes: number;
  readonly #host: StreamHost;
  #events: TransportEvents | undefined;
  /** What arrived before `start`, in the first `#earlyLength` bytes. */
  #early = Buffer.alloc(0);
  #earlyLength = 0;
  #sendWindow = initialWindowBytes;
  #receiveWindow: number;
  /** Delivered, or waiting for `start`, and not yet consumed. */
  #held = 0;
  /** Consumed and not yet given back to the peer. */
  #owed = 0;
  /** False while the opening waits for its turn. */
  #isOpen: boolean;
  #hasEnded = false;
  #peerHasEnded = false;
  #wantsDrain = false;
  #closed: { readonly error: Error | undefined } | undefined;
  #closeTimer: Timer | undefined;
  #heardSinceTimer = false;

  /** Made by the session. */
  constructor(host: StreamHost, { id, windowBytes, isOpen }: YamuxStreamOptions) {
    this.#host = host;
    this.id = id;
    this.peer = `${host.peer}#${id}`;
    this.windowBytes = windowBytes;
    this.#receiveWindow = windowBytes;
    this.#isOpen = isOpen;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  start(events: TransportEvents): void {
    if (this.#events !== undefined) throw new Error('this yamux stream was started already');
    const closedBefore = this.#closed;
    this.#events = events;
    this.#deliverEarly(events);
    // The consumer may have destroyed the stream meanwhile: then only its `onClose` is due.
    if (this.#peerHasEnded && this.#closed === closedBefore) events.onEnd();
    if (closedBefore === undefined) this.#drain();
    else events.onClose(closedBefore.error);
  }

  capacity(): number {
    if (this.#hasEnded || this.#closed !== undefined) return 0;
    const capacity = this.#isOpen ? Math.min(this.#sendWindow, this.#host.room()) : 0;
    if (capacity === 0) this.#awaitDrain();
    return capacity;
  }

  /** Copies the bytes, so the answer is always true. A closed stream drops them. */
  write(bytes: Buffer, length: number): true {
    if (this.#closed !== undefined || length === 0) return true;
    if (length > this.capacity()) throw new RangeError('write beyond the capacity');
    this.#sendWindow -= length;
    this.#host.sendData(this.id, bytes, length);
    if (this.#sendWindow === 0 || this.#host.room() === 0) this.#awaitDrain();
    return true;
  }

  /** Gives window back once half of it was consumed. More than was delivered counts as all. */
  consumed(length: number): void {
    const counted = Math.min(length, this.#held);
    this.#held -= counted;
    this.#owed += counted;
    if (this.#owed < this.windowBytes / 2) return;
    if (this.#peerHasEnded || this.#closed !== undefined) return;
    this.#host.sendWindowUpdate(this.id, 0, this.#owed);
    this.#receiveWindow += this.#owed;
    this.#owed = 0;
  }

  end(): void {
    if (this.#hasEnded || this.#closed !== undefined) return;
    this.#hasEnded = true;
    if (this.#isOpen) this.#sendEnd();
  }

  /** Resets the stream; the session goes on. */
  destroy(error?: Error): void {
    if (this.#closed !== undefined) return;
    if (this.#isOpen) this.#host.sendWindowUpdate(this.id, frameFlag.rst, 0);
    this.#dropEarly();
    this.close(error);
  }

  // The rest is for the session.

  /** The opening was sent: writes may follow. */
  opened(): void {
    this.#isOpen = true;
    if (this.#hasEnded) this.#sendEnd();
    else queueMicrotask(() => this.#drain());
  }

  /** A data frame of this length begins. @throws YamuxProtocolError if the window is too small */
  announce(length: number): void {
    if (length > this.#receiveWindow) {
      throw new YamuxProtocolError(`stream ${this.id} got more data than its window allows`);
    }
    this.#receiveWindow -= length;
  }

  receive(chunk: Buffer): void {
    // Go's Write and Close may race, so that data follows the end: it is dropped, as Go does.
    if (this.#closed !== undefined || this.#peerHasEnded) return;
    this.#held += chunk.length;
    this.#heardSinceTimer = true;
    if (this.#events === undefined) this.#keepEarly(chunk);
    else this.#events.onData(chunk);
  }

  receiveEnd(): void {
    if (this.#peerHasEnded || this.#closed !== undefined) return;
    this.#peerHasEnded = true;
    this.#events?.onEnd();
    if (this.#hasEnded) this.close(undefined);
  }

  /** The peer takes `delta` bytes more. @throws YamuxProtocolError if that is absurd */
  grant(delta: number): void {
    if (this.#sendWindow + delta > maxUint32) {
      throw new YamuxProtocolError(`stream ${this.id} got a window beyond 32 bits`);
    }
    this.#sendWindow += delta;
    if (delta > 0) this.#drain();
  }

  /** The session's output has room again. */
  onRoom(): void {
    this.#drain();
  }

  /** Ends both directions without telling the peer. `onClose` follows on a turn of its own. */
  close(error: Error | undefined): void {
    if (this.#closed !== undefined) return;
    this.#closed = { error };
    this.#closeTimer?.cancel();
    if (error !== undefined) this.#dropEarly();
    this.#host.forget(this);
    const events = this.#events;
    if (events !== undefined) queueMicrotask(() => events.onClose(error));
  }

  #sendEnd(): void {
    this.#host.sendWindowUpdate(this.id, frameFlag.fin, 0);
    if (this.#peerHasEnded) this.close(undefined);
    else this.#armCloseTimer();
  }

  #awaitDrain(): void {
    this.#wantsDrain = true;
    if (this.#isOpen && this.#sendWindow > 0) this.#host.awaitRoom(this);
  }

  /** Tells the writer to go on, if it waits and both window and output have room. */
  #drain(): void {
    if (!this.#wantsDrain || !this.#isOpen || this.#sendWindow === 0) return;
    if (this.#events === undefined || this.#hasEnded || this.#closed !== undefined) return;
    if (this.#host.room() === 0) {
      this.#host.awaitRoom(this);
      return;
    }
    this.#wantsDrain = false;
    this.#events.onDrain();
  }

  #keepEarly(chunk: Buffer): void {
    const needed = this.#earlyLength + chunk.length;
    if (needed > this.#early.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#early.length));
      this.#early.copy(grown, 0, 0, this.#earlyLength);
      this.#early = grown;
    }
    this.#earlyLength += chunk.copy(this.#early, this.#earlyLength);
  }

  #deliverEarly(events: TransportEvents): void {
    const early = this.#early.subarray(0, this.#earlyLength);
    this.#dropEarly();
    if (early.length > 0) events.onData(early);
  }

  #dropEarly(): void {
    this.#early = Buffer.alloc(0);
    this.#earlyLength = 0;
  }

  #armCloseTimer(): void {
    const { clock, streamCloseTimeoutMs } = this.#host;
    this.#heardSinceTimer = false;
    this.#closeTimer = clock.after(streamCloseTimeoutMs, () => {
      // A consumer that holds bytes back may keep the peer from ending.
      if (this.#heardSinceTimer || this.#held > 0) this.#armCloseTimer();
      else this.destroy(new Error('the peer did not end its direction of a yamux stream in time'));
    });
  }
}
