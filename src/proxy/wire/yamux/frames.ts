/** Frame types. Source: hashicorp/yamux spec.md, "Type Field". */
export const frameType = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const;

/** Bits of the flags field. Source: hashicorp/yamux spec.md, "Flag Field". */
export const frameFlag = { syn: 1, ack: 2, fin: 4, rst: 8 } as const;

/** What the length field of a GoAway frame says. */
export const goAwayCode = { normal: 0, protocolError: 1, internalError: 2 } as const;

export type GoAwayCode = (typeof goAwayCode)[keyof typeof goAwayCode];

/** Size of every frame header: version, type, flags (2), stream id (4), length (4), big endian. */
export const headerBytes = 12;

/** What each side may send on a new stream before any window update. */
export const initialWindowBytes = 262_144;

/** The largest value of the id and length fields. */
export const maxUint32 = 0xff_ff_ff_ff;

/** The peer broke the protocol; the session ends with a GoAway frame of this code. */
export class YamuxProtocolError extends Error {
  constructor(message: string) {
    super(`yamux: ${message}`);
    this.name = 'YamuxProtocolError';
  }
}

/** Writes one header at `at`; 12 bytes have to be free there. */
export function writeHeader(
  target: Buffer,
  at: number,
  type: number,
  flags: number,
  streamId: number,
  length: number,
): void {
  target[at] = 0;
  target[at + 1] = type;
  target.writeUInt16BE(flags, at + 2);
  target.writeUInt32BE(streamId, at + 4);
  target.writeUInt32BE(length, at + 8);
}

/** Takes what a {@link FrameReader} finds. Both may throw, which ends the reading. */
export interface FrameSink {
  /** A header. For data frames `length` bytes of payload follow. */
  onHeader(type: number, flags: number, streamId: number, length: number): void;
  /** Part of the payload of the last header, valid during the call. `isLast` ends the frame. */
  onPayload(chunk: Buffer, isLast: boolean): void;
}

/** Cuts a byte stream into frames, whatever its chunks. Keeps at most one incomplete header. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #partial = Buffer.alloc(headerBytes);
  #partialLength = 0;
  #payloadLeft = 0;
  #stopped = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** True if the bytes so far end inside a frame. */
  get isInsideFrame(): boolean {
    return this.#partialLength > 0 || this.#payloadLeft > 0;
  }

  /** Nothing is reported any more, not even the rest of the chunk that is being read. */
  stop(): void {
    this.#stopped = true;
  }

  /** @throws YamuxProtocolError if a header has an unknown version; what the sink throws */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#payloadLeft > 0) {
        const end = Math.min(chunk.length, at + this.#payloadLeft);
        this.#payloadLeft -= end - at;
        this.#sink.onPayload(chunk.subarray(at, end), this.#payloadLeft === 0);
        at = end;
      } else if (this.#partialLength === 0 && chunk.length - at >= headerBytes) {
        this.#readHeader(chunk, at);
        at += headerBytes;
      } else {
        const end = Math.min(chunk.length, at + headerBytes - this.#partialLength);
        this.#partialLength += chunk.copy(this.#partial, this.#partialLength, at, end);
        at = end;
        if (this.#partialLength === headerBytes) {
          this.#partialLength = 0;
          this.#readHeader(this.#partial, 0);
        }
      }
    }
  }

  #readHeader(bytes: Buffer, at: number): void {
    const version = bytes.readUInt8(at);
    if (version !== 0) throw new YamuxProtocolError(`unknown version ${version}`);
    const type = bytes.readUInt8(at + 1);
    const length = bytes.readUInt32BE(at + 8);
    if (type === frameType.data) this.#payloadLeft = length;
    this.#sink.onHeader(type, bytes.readUInt16BE(at + 2), bytes.readUInt32BE(at + 4), length);
  }
}
