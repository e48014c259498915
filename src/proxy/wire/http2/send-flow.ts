import { ConnectionError, errorCodes } from './errors.ts';
import type { FrameWriter } from './frame-writer.ts';
import { initialWindowBytes, maxWindowBytes } from './frames.ts';

/** A stream as the flow control of what we send sees it. */
export interface Sender {
  readonly id: number;
  /** How many bytes the peer still takes on the stream. Negative after it has shrunk its windows. */
  sendWindow: number;
  /** Sends what waits, `maxBytes` at most. Calls {@link SendFlow.addWaiting} again if more waits. */
  sendQueued(maxBytes: number): void;
  /** Ends the stream: too much waits on the connection, and it has not got on for longest. */
  giveUp(): void;
}

export interface SendFlowOptions {
  readonly output: FrameWriter;
  /** Most bytes that may wait in the queues of all streams, from one turn to the next. */
  readonly maxQueuedBytes: number;
  /** Runs a callback at the end of this turn of the event loop. */
  readonly defer: (callback: () => void) => void;
}

/** Streams with much to send take turns after this many bytes. */
const turnBytes = 65_536;

/** Flow control of what we send on a connection: its window, and whose turn it is. */
export class SendFlow {
  readonly #output: FrameWriter;
  readonly #maxQueuedBytes: number;
  readonly #defer: (callback: () => void) => void;
  /** Streams with a queue. First those of which nothing was sent for longest. */
  readonly #queued = new Set<Sender>();
  #isRelieving = false;
  /** Streams that wait for the connection only, in order; not those whose own window is used up. */
  readonly #waiting = new Set<Sender>();
  #window = initialWindowBytes;
  #streamWindow = initialWindowBytes;
  #queuedBytes = 0;

  constructor(options: SendFlowOptions) {
    this.#output = options.output;
    this.#maxQueuedBytes = options.maxQueuedBytes;
    this.#defer = options.defer;
  }

  /** The window that a stream begins with. */
  get streamWindow(): number {
    return this.#streamWindow;
  }

  /**
   * Sends as much of `bytes[start, end)` as windows and output allow, and with the last byte, or if
   * there is none, the end of the stream.
   *
   * @returns how many bytes were sent
   */
  send(sender: Sender, bytes: Buffer, start: number, end: number, endStream: boolean): number {
    const output = this.#output;
    if (start === end && endStream) output.data(sender.id, bytes, start, 0, true);
    let position = start;
    while (position < end && output.hasRoom()) {
      const window = Math.min(sender.sendWindow, this.#window, output.maxFrameBytes);
      if (window <= 0) break;
      const length = Math.min(window, end - position);
      const isLast = position + length === end;
      output.data(sender.id, bytes, position, length, isLast && endStream);
      sender.sendWindow -= length;
      this.#window -= length;
      position += length;
    }
    return position - start;
  }

  /** The stream has more to send. It is called as soon as its window and the connection allow. */
  addWaiting(sender: Sender): void {
    if (sender.sendWindow > 0) this.#waiting.add(sender);
  }

  /** So many more bytes wait in a stream's queue. */
  addQueued(sender: Sender, bytes: number): void {
    this.#queued.add(sender);
    this.#queuedBytes += bytes;
    if (this.#queuedBytes <= this.#maxQueuedBytes || this.#isRelieving) return;
    this.#isRelieving = true;
    this.#defer(() => this.#relieve());
  }

  /** So many bytes of a stream's queue were sent. */
  removeQueued(sender: Sender, bytes: number): void {
    this.#queuedBytes -= bytes;
    this.#queued.delete(sender);
    this.#queued.add(sender);
  }

  /** The stream has nothing to send any more; so many bytes of its queue are dropped. */
  forget(sender: Sender, droppedBytes: number): void {
    this.#queuedBytes -= droppedBytes;
    this.#queued.delete(sender);
    this.#waiting.delete(sender);
  }

  /** Streams that hold memory and do not get on make room for the others. */
  #relieve(): void {
    this.#isRelieving = false;
    for (const sender of this.#queued) {
      if (this.#queuedBytes <= this.#maxQueuedBytes) return;
      sender.giveUp();
    }
  }

  /** Lets the streams that wait send, in turn, as far as window and output allow. */
  sendWaiting(): void {
    // A stream that is not done adds itself again, at the end, and is visited again.
    for (const sender of this.#waiting) {
      if (this.#window <= 0 || !this.#output.hasRoom()) return;
      this.#waiting.delete(sender);
      sender.sendQueued(turnBytes);
    }
  }

  /** The peer takes `increment` more bytes on the connection. */
  growConnection(increment: number): void {
    this.#window += increment;
    if (this.#window > maxWindowBytes) {
      throw new ConnectionError(errorCodes.flowControlError, 'the connection window is too large');
    }
    this.sendWaiting();
  }

  /**
   * The peer takes `increment` more bytes on a stream.
   *
   * @returns false if that is more than a window may have
   */
  growStream(sender: Sender, increment: number, hasQueued: boolean): boolean {
    sender.sendWindow += increment;
    if (sender.sendWindow > maxWindowBytes) return false;
    if (hasQueued) {
      this.addWaiting(sender);
      this.sendWaiting();
    }
    return true;
  }

  /**
   * The peer has changed what streams begin with: RFC 9113 section 6.9.2.
   *
   * @returns what is to be added to the window of each open stream
   */
  setStreamWindow(bytes: number): number {
    const change = bytes - this.#streamWindow;
    this.#streamWindow = bytes;
    return change;
  }
}
