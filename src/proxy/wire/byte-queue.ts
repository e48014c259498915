const segmentBytes = 32_768;

/**
 * Copies of bytes that wait, first in, first out. Uses about as much memory as the most that it has
 * held since it was cleared, however small the pieces were. The bound is the owner's: it knows what
 * its peer may send.
 */
export class ByteQueue {
  /** Full but for the last, whose first `#lastLength` bytes are in use. */
  readonly #segments: Buffer[] = [];
  /** Empty ones, to be used again: fresh ones all the time keep the garbage collector busy. */
  readonly #spares: Buffer[] = [];
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
        last = this.#spares.pop() ?? Buffer.allocUnsafeSlow(segmentBytes);
        this.#segments.push(last);
        this.#lastLength = 0;
      }
      const copied = bytes.copy(last, this.#lastLength, at);
      this.#lastLength += copied;
      at += copied;
    }
    this.#length += bytes.length;
  }

  /**
   * A view of the bytes at the front, as many as lie together; empty if there are none. Valid until
   * the next {@link append}.
   */
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
    this.#spares.push(first);
    this.#start = 0;
    if (this.#segments.length === 0) this.#lastLength = 0;
  }

  clear(): void {
    this.#segments.length = 0;
    this.#spares.length = 0;
    this.#lastLength = 0;
    this.#start = 0;
    this.#length = 0;
  }
}

const emptyBuffer = Buffer.alloc(0);
