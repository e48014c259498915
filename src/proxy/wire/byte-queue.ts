const segmentBytes = 32_768;

/**
 * Copies of bytes that wait, first in, first out. Uses about as much memory as it holds, however
 * small the pieces were. The bound is the owner's: it knows what its peer may send.
 */
export class ByteQueue {
  /** Full but for the last, whose first `#lastLength` bytes are in use. */
  readonly #segments: Buffer[] = [];
  #lastLength = 0;
  /** Bytes of the first segment that are gone. */
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends a copy of `bytes`. */
  append(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      let last = this.#segments.at(-1);
      if (last === undefined || this.#lastLength === last.length) {
        last = Buffer.allocUnsafeSlow(Math.max(segmentBytes, bytes.length - at));
        this.#segments.push(last);
        this.#lastLength = 0;
      }
      const copied = bytes.copy(last, this.#lastLength, at);
      this.#lastLength += copied;
      at += copied;
    }
    this.#length += bytes.length;
  }

  /** A view of the bytes at the front, as many as lie together; empty if there are none. */
  front(): Buffer {
    const first = this.#segments[0];
    if (first === undefined) return emptyBuffer;
    return first.subarray(
      this.#start,
      this.#segments.length === 1 ? this.#lastLength : first.length,
    );
  }

  /** Forgets the first `length` bytes, at most those of {@link front}. */
  discard(length: number): void {
    this.#start += length;
    this.#length -= length;
    const first = this.#segments[0];
    if (first === undefined) return;
    const end = this.#segments.length === 1 ? this.#lastLength : first.length;
    if (this.#start < end) return;
    this.#segments.shift();
    this.#start = 0;
    if (this.#segments.length === 0) this.#lastLength = 0;
  }

  clear(): void {
    this.#segments.length = 0;
    this.#lastLength = 0;
    this.#start = 0;
    this.#length = 0;
  }
}

const emptyBuffer = Buffer.alloc(0);
