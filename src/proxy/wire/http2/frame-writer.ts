import type { Encoder } from '../hpack/encoder.ts';
import type { HeaderField } from '../hpack/header-field.ts';
import { LentBuffer } from '../lent-buffer.ts';
import type { Transport } from '../transport.ts';
import {
  clientPreface,
  defaultMaxFrameBytes,
  frameFlags,
  frameHeaderBytes,
  frameTypes,
} from './frames.ts';

export interface FrameWriterOptions {
  readonly transport: Transport;
  readonly encoder: Encoder;
  /** Runs a callback at the end of this turn of the event loop. */
  readonly defer: (callback: () => void) => void;
  /** Runs a callback a little later: what had time to wait for other frames goes out then. */
  readonly postpone: (callback: () => void) => void;
  readonly maxOutputBytes: number;
  /** All that was written has been given to the transport. */
  onFlushed(): void;
  /** More waits than is allowed. Called at the end of a turn, once. */
  onOverflow(): void;
}

/** Data is taken while less than this waits. */
const highWaterBytes = 262_144;
/** Within a turn, this much is passed on without waiting for the turn's end. */
const flushAtBytes = 65_536;
/** Enough for the handshake: an idle connection needs no more. */
const firstBufferBytes = 512;
/** Size of the buffer after that; it grows with what is written in a turn. */
const smallBufferBytes = 16_384;
const largeBufferBytes = 131_072;
/** Larger frames would make other streams wait. */
export const maxSentFrameBytes = 65_536;
/** Shorter payloads are faster copied in a loop than by a call of native code. */
const shortPayload = 48;

/**
 * The frames that go to the transport, in one buffer, passed on in one write at the end of each turn
 * of the event loop.
 */
export class FrameWriter {
  readonly #options: FrameWriterOptions;
  #buffer: Buffer = Buffer.allocUnsafeSlow(firstBufferBytes);
  readonly #lent = new LentBuffer();
  /** What the transport has not taken is `#buffer[#start, #end)`. */
  #start = 0;
  #end = 0;
  #isScheduled = false;
  #isPostponed = false;
  #isOverflowing = false;
  #isClosed = false;
  #passedOn = 0;
  #dataFrames = 0;
  #headerBlocks = 0;
  #maxFrameBytes = defaultMaxFrameBytes;
  readonly #endTurn = () => {
    this.#isScheduled = false;
    if (this.#isOverflowing) this.#options.onOverflow();
    else this.flush();
  };
  readonly #endPostponement = () => {
    this.#isPostponed = false;
    if (this.pendingBytes > 0) this.#schedule();
  };

  constructor(options: FrameWriterOptions) {
    this.#options = options;
  }

  /** Whether what was written goes out at the end of this turn. */
  get isScheduled(): boolean {
    return this.#isScheduled;
  }

  /** Bytes that the transport has not taken yet. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /** How many bytes the transport has taken so far. */
  get passedOnBytes(): number {
    return this.#passedOn;
  }

  /** How many DATA frames were written so far. */
  get dataFrames(): number {
    return this.#dataFrames;
  }

  /** How many header blocks were sent. */
  get headerBlocks(): number {
    return this.#headerBlocks;
  }

  /** Largest payload that we send. */
  get maxFrameBytes(): number {
    return this.#maxFrameBytes;
  }

  /** The peer takes payloads of `bytes`. */
  setPeerMaxFrameBytes(bytes: number): void {
    this.#maxFrameBytes = Math.min(bytes, maxSentFrameBytes);
  }

  /** Whether data may be written now. */
  hasRoom(): boolean {
    if (this.pendingBytes < flushAtBytes) return true;
    this.flush();
    return this.pendingBytes < highWaterBytes;
  }

  preface(): void {
    this.#reserve(clientPreface.length);
    this.#end += clientPreface.copy(this.#buffer, this.#end);
  }

  /** Writes a DATA frame with `bytes[start, start + length)`. */
  data(streamId: number, bytes: Buffer, start: number, length: number, endStream: boolean): void {
    this.#dataFrames += 1;
    const flags = endStream ? frameFlags.endStream : 0;
    const position = this.#frame(length, frameTypes.data, flags, streamId);
    const buffer = this.#buffer;
    if (length >= shortPayload) bytes.copy(buffer, position, start, start + length);
    else for (let i = 0; i < length; i++) buffer[position + i] = bytes[start + i] ?? 0;
  }

  /** Writes a HEADERS frame, and CONTINUATION frames if the block is long. */
  headers(streamId: number, fields: readonly HeaderField[], endStream: boolean): void {
    const { encoder } = this.#options;
    this.#headerBlocks += 1;
    this.#reserve(frameHeaderBytes + encoder.bound(fields));
    const start = this.#end + frameHeaderBytes;
    const end = encoder.encode(fields, this.#buffer, start);
    const flags = endStream ? frameFlags.endStream : 0;
    if (end - start <= this.#maxFrameBytes) {
      this.#frame(end - start, frameTypes.headers, flags | frameFlags.endHeaders, streamId);
      return;
    }
    this.#longHeaders(streamId, Buffer.from(this.#buffer.subarray(start, end)), flags);
  }

  rstStream(streamId: number, code: number): void {
    this.#writeUint32(this.#frame(4, frameTypes.rstStream, 0, streamId), code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#writeUint32(this.#frame(4, frameTypes.windowUpdate, 0, streamId), increment);
  }

  settings(entries: readonly (readonly [id: number, value: number])[]): void {
    let position = this.#frame(entries.length * 6, frameTypes.settings, 0, 0);
    for (const [id, value] of entries) {
      this.#buffer.writeUInt16BE(id, position);
      this.#writeUint32(position + 2, value);
      position += 6;
    }
  }

  settingsAck(): void {
    this.#frame(0, frameTypes.settings, frameFlags.ack, 0);
  }

  /** Writes a PING frame with the payload `bytes[start, start + 8)`. */
  ping(bytes: Buffer, start: number): void {
    const position = this.#frame(8, frameTypes.ping, 0, 0);
    bytes.copy(this.#buffer, position, start, start + 8);
  }

  /**
   * Answers a PING. The answer goes out with the next frames, or a little later by itself: gRPC in Go
   * pings with nearly every message, and a write of its own costs as much as a call's.
   */
  pingAck(bytes: Buffer, start: number): void {
    const position = this.#append(8, frameTypes.ping, frameFlags.ack, 0);
    bytes.copy(this.#buffer, position, start, start + 8);
    if (this.#isScheduled || this.#isPostponed || this.#isClosed) return;
    this.#isPostponed = true;
    this.#options.postpone(this.#endPostponement);
  }

  goAway(lastStreamId: number, code: number, debugData: string): void {
    const debug = Buffer.from(debugData);
    const position = this.#frame(8 + debug.length, frameTypes.goAway, 0, 0);
    this.#writeUint32(position, lastStreamId);
    this.#writeUint32(position + 4, code);
    debug.copy(this.#buffer, position + 8);
  }

  /** Passes on what the transport takes; the rest waits for its `onDrain`. */
  flush(): void {
    if (this.#isClosed || this.#isOverflowing) return;
    const { transport } = this.#options;
    for (let pending = this.pendingBytes; pending > 0; pending = this.pendingBytes) {
      const length = Math.min(pending, transport.capacity());
      if (length <= 0) return;
      const bytes = this.#start === 0 ? this.#buffer : this.#buffer.subarray(this.#start);
      const mayReuse = transport.write(bytes, length);
      this.#passedOn += length;
      this.#start += length;
      if (!mayReuse) this.#lend();
    }
    this.#start = this.#end = 0;
    if (this.#buffer.length > 2 * highWaterBytes) this.#replaceBuffer(largeBufferBytes);
    this.#options.onFlushed();
  }

  /** The transport has given back what it had kept. */
  reclaim(): void {
    this.#lent.giveBack();
  }

  /** Marks the connection as lost because its peer does not read. */
  overflow(): void {
    this.#isOverflowing = true;
    this.#schedule();
  }

  /** Drops what is left, and everything that is written later. */
  close(): void {
    this.#isClosed = true;
    this.#start = this.#end = 0;
    this.#buffer = Buffer.allocUnsafeSlow(0);
  }

  /** Writes a frame header and returns the position of the payload, which the caller fills. */
  #frame(length: number, type: number, flags: number, streamId: number): number {
    const position = this.#append(length, type, flags, streamId);
    if (!this.#isScheduled) this.#schedule();
    return position;
  }

  #append(length: number, type: number, flags: number, streamId: number): number {
    this.#reserve(frameHeaderBytes + length);
    const buffer = this.#buffer;
    const position = this.#end;
    buffer[position] = length >>> 16;
    buffer[position + 1] = length >>> 8;
    buffer[position + 2] = length;
    buffer[position + 3] = type;
    buffer[position + 4] = flags;
    this.#writeUint32(position + 5, streamId);
    this.#end = position + frameHeaderBytes + length;
    return position + frameHeaderBytes;
  }

  #longHeaders(streamId: number, block: Buffer, firstFlags: number): void {
    for (let start = 0; start < block.length; start += this.#maxFrameBytes) {
      const end = Math.min(block.length, start + this.#maxFrameBytes);
      const type = start === 0 ? frameTypes.headers : frameTypes.continuation;
      const flags =
        (start === 0 ? firstFlags : 0) | (end === block.length ? frameFlags.endHeaders : 0);
      block.copy(this.#buffer, this.#frame(end - start, type, flags, streamId), start, end);
    }
  }

  #writeUint32(position: number, value: number): void {
    const buffer = this.#buffer;
    buffer[position] = value >>> 24;
    buffer[position + 1] = value >>> 16;
    buffer[position + 2] = value >>> 8;
    buffer[position + 3] = value;
  }

  /** Makes room for `bytes` after what waits. */
  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    if (this.#isClosed || this.pendingBytes + bytes > this.#options.maxOutputBytes) {
      // The connection is lost: what is written from now on need not make sense.
      this.#start = this.#end = 0;
      if (!this.#isClosed) this.overflow();
    }
    let size = Math.max(this.#buffer.length, smallBufferBytes);
    while (size < this.pendingBytes + bytes) size *= 2;
    this.#replaceBuffer(size);
  }

  /** The transport keeps the buffer for a while. */
  #lend(): void {
    const lent = this.#buffer;
    this.#replaceBuffer(Math.min(lent.length, largeBufferBytes));
    if (lent.length <= 2 * highWaterBytes) this.#lent.lend(lent);
  }

  /** Moves what waits to another buffer of that size at least. */
  #replaceBuffer(bytes: number): void {
    const fresh = this.#lent.take(Math.max(bytes, this.pendingBytes));
    this.#end = this.#buffer.copy(fresh, 0, this.#start, this.#end);
    this.#start = 0;
    this.#buffer = fresh;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.#options.defer(this.#endTurn);
  }
}
