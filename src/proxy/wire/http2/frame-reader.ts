import { ConnectionError, errorCodes } from './errors.ts';
import { clientPreface, defaultMaxFrameBytes, frameHeaderBytes, maxStreamId } from './frames.ts';

/** Takes frames. The payload is `bytes[start, end)`, valid only during the call. */
export interface FrameSink {
  onFrame(
    bytes: Buffer,
    start: number,
    end: number,
    type: number,
    flags: number,
    streamId: number,
  ): void;
}

interface FrameReaderOptions {
  /** Whether the bytes begin with the preface that a client sends. */
  readonly expectPreface: boolean;
  /** The largest payload that the peer may send. Default 16,384, where HTTP/2 starts. */
  readonly maxFrameBytes?: number;
}

/**
 * Cuts a byte stream into frames. Frames that lie whole in a chunk are passed on where they are;
 * only one that goes over the end of a chunk is copied together.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  #prefaceRead: number;
  #partial: Buffer | undefined;
  #partialBytes = 0;
  #isStopped = false;

  constructor(sink: FrameSink, options: FrameReaderOptions) {
    this.#sink = sink;
    this.#maxFrameBytes = options.maxFrameBytes ?? defaultMaxFrameBytes;
    this.#prefaceRead = options.expectPreface ? 0 : clientPreface.length;
  }

  /** Whether the last chunk ended inside a frame. */
  get isInsideFrame(): boolean {
    return this.#partialBytes > 0;
  }

  /** Ends delivery, also of what is left of the chunk that is being read. */
  stop(): void {
    this.#isStopped = true;
    this.#partial = undefined;
    this.#partialBytes = 0;
  }

  /** @throws ConnectionError if the bytes are not HTTP/2, or a frame is too long */
  read(chunk: Buffer): void {
    let position = this.#readPreface(chunk);
    if (this.#partialBytes > 0) position = this.#completePartial(chunk, position);
    while (chunk.length - position >= frameHeaderBytes && !this.#isStopped) {
      const end = position + frameHeaderBytes + this.#payloadLength(chunk, position);
      if (end > chunk.length) break;
      this.#emit(chunk, position, end);
      position = end;
    }
    if (position < chunk.length && !this.#isStopped) this.#keep(chunk, position, chunk.length);
  }

  #readPreface(chunk: Buffer): number {
    let position = 0;
    for (; this.#prefaceRead < clientPreface.length && position < chunk.length; position++) {
      if (chunk[position] !== clientPreface[this.#prefaceRead]) {
        throw new ConnectionError(errorCodes.protocolError, 'the client does not speak HTTP/2');
      }
      this.#prefaceRead += 1;
    }
    return position;
  }

  /** Adds to the frame that the last chunks began; passes it on if it is whole. */
  #completePartial(chunk: Buffer, start: number): number {
    let position = start;
    if (this.#partialBytes < frameHeaderBytes) {
      const missing = frameHeaderBytes - this.#partialBytes;
      position = this.#keep(chunk, position, Math.min(chunk.length, position + missing));
      if (this.#partialBytes < frameHeaderBytes) return position;
    }
    const partial = this.#partialBuffer();
    const frameBytes = frameHeaderBytes + this.#payloadLength(partial, 0);
    const missing = frameBytes - this.#partialBytes;
    position = this.#keep(chunk, position, Math.min(chunk.length, position + missing));
    if (this.#partialBytes < frameBytes) return position;
    this.#partialBytes = 0;
    this.#emit(partial, 0, frameBytes);
    return position;
  }

  #keep(chunk: Buffer, start: number, end: number): number {
    chunk.copy(this.#partialBuffer(), this.#partialBytes, start, end);
    this.#partialBytes += end - start;
    return end;
  }

  #partialBuffer(): Buffer {
    this.#partial ??= Buffer.allocUnsafeSlow(frameHeaderBytes + this.#maxFrameBytes);
    return this.#partial;
  }

  /** The payload length in the frame header at `bytes[position]`. */
  #payloadLength(bytes: Buffer, position: number): number {
    const length =
      ((bytes[position] ?? 0) << 16) |
      ((bytes[position + 1] ?? 0) << 8) |
      (bytes[position + 2] ?? 0);
    if (length > this.#maxFrameBytes) {
      throw new ConnectionError(errorCodes.frameSizeError, `a frame has ${length} bytes`);
    }
    return length;
  }

  #emit(bytes: Buffer, start: number, end: number): void {
    const type = bytes[start + 3] ?? 0;
    const flags = bytes[start + 4] ?? 0;
    const streamId = uint32(bytes, start + 5) & maxStreamId;
    this.#sink.onFrame(bytes, start + frameHeaderBytes, end, type, flags, streamId);
  }
}

/** The caller has checked the bounds. */
export function uint16(bytes: Buffer, position: number): number {
  return ((bytes[position] ?? 0) << 8) | (bytes[position + 1] ?? 0);
}

/** Faster than `readUInt32BE`, which checks its arguments. The caller has checked the bounds. */
export function uint32(bytes: Buffer, position: number): number {
  return (
    (((bytes[position] ?? 0) << 24) |
      ((bytes[position + 1] ?? 0) << 16) |
      ((bytes[position + 2] ?? 0) << 8) |
      (bytes[position + 3] ?? 0)) >>>
    0
  );
}
