import { LentBuffer } from '../lent-buffer.ts';
import type { Transport } from '../transport.ts';
import { frameType, headerBytes, writeHeader } from './frames.ts';

/** Payload is taken while less than this waits for the transport. */
const highWaterBytes = 262_144;
/**
 * Within a turn, this much is passed on without waiting for the turn's end: as little as still makes few
 * writes, since the processor's cache has it then when the kernel copies it.
 */
const flushAtBytes = 65_536;
/** Control frames may go beyond the high-water mark by this much, then the peer reads too slowly. */
const controlReserveBytes = 262_144;
const initialBufferBytes = 16_384;

export interface FrameOutputOptions {
  readonly transport: Transport;
  /** After a flush: whoever waited for room may look again. */
  onFlushed(): void;
  /** The peer makes us answer but does not read. Called at most once a frame. */
  onOverflow(): void;
}

/**
 * The frames that wait for the transport: one buffer, appended in order and passed on in one write
 * at the end of the turn. Holds at most half a MiB.
 */
export class FrameOutput {
  readonly #options: FrameOutputOptions;
  #buffer: Buffer = Buffer.allocUnsafeSlow(initialBufferBytes);
  readonly #lent = new LentBuffer();
  #start = 0;
  #end = 0;
  #isScheduled = false;
  #isClosed = false;

  constructor(options: FrameOutputOptions) {
    this.#options = options;
  }

  /** Bytes that the transport has not taken yet. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** How much payload one data frame may carry now. */
  room(): number {
    return Math.max(0, highWaterBytes - headerBytes - this.pending);
  }

  /** True if there is so much room that waiting writers should go on. */
  get hasRoom(): boolean {
    return this.pending <= highWaterBytes / 2;
  }

  /** Appends a frame without payload. */
  control(type: number, flags: number, streamId: number, length: number): void {
    if (this.#isClosed) return;
    if (this.pending + headerBytes > highWaterBytes + controlReserveBytes) {
      this.#options.onOverflow();
      return;
    }
    this.#makeRoom(headerBytes);
    writeHeader(this.#buffer, this.#end, type, flags, streamId, length);
    this.#end += headerBytes;
    this.#schedule();
  }

  /** Appends a data frame with a copy of the first `length` bytes, at most {@link room}. */
  data(streamId: number, bytes: Buffer, length: number): void {
    if (this.#isClosed) return;
    this.#makeRoom(headerBytes + length);
    writeHeader(this.#buffer, this.#end, frameType.data, 0, streamId, length);
    bytes.copy(this.#buffer, this.#end + headerBytes, 0, length);
    this.#end += headerBytes + length;
    if (this.pending >= flushAtBytes) this.flush();
    else this.#schedule();
  }

  /** Passes on what the transport takes. The rest waits for the transport's `onDrain`. */
  flush(): void {
    const { transport } = this.#options;
    while (this.pending > 0 && !this.#isClosed) {
      const length = Math.min(transport.capacity(), this.pending);
      if (length <= 0) break;
      const bytes = this.#start === 0 ? this.#buffer : this.#buffer.subarray(this.#start);
      const mayReuse = transport.write(bytes, length);
      this.#start += length;
      if (!mayReuse) this.#replaceBuffer();
    }
    if (this.#start === this.#end) this.#start = this.#end = 0;
  }

  /** The transport has given back what it had kept. */
  reclaim(): void {
    this.#lent.giveBack();
  }

  /** Drops what is left, and everything that is appended later. */
  close(): void {
    this.#isClosed = true;
    this.#start = this.#end = 0;
    this.#buffer = Buffer.alloc(0);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.flush();
      if (!this.#isClosed) this.#options.onFlushed();
    });
  }

  /** The transport keeps the old buffer until it is written. */
  #replaceBuffer(): void {
    const rest = this.#buffer.subarray(this.#start, this.#end);
    const next = this.#lent.take(Math.max(initialBufferBytes, this.#buffer.length));
    this.#lent.lend(this.#buffer);
    this.#buffer = next;
    this.#end = rest.copy(this.#buffer);
    this.#start = 0;
  }

  #makeRoom(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    const pending = this.pending;
    let size = this.#buffer.length;
    while (size < pending + bytes) size *= 2;
    const target = size === this.#buffer.length ? this.#buffer : Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(target, 0, this.#start, this.#end);
    this.#buffer = target;
    this.#start = 0;
    this.#end = pending;
  }
}
