const noBytes = Buffer.alloc(0);

/**
 * Bytes that come in pieces and are wanted in one piece. Doubling keeps the copying in proportion to
 * what is held, however small the pieces are. The bound is the owner's.
 */
export class GrowingBuffer {
  /** The first {@link #length} bytes are in use, and are never written again. */
  #memory: Buffer = noBytes;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** All that is held. The view stays as it is, whatever comes or goes later. */
  get bytes(): Buffer {
    return this.#length === 0 ? noBytes : this.#memory.subarray(0, this.#length);
  }

  /** Takes a copy of `bytes[start, end)`. */
  append(bytes: Buffer, start: number, end: number): void {
    const needed = this.#length + end - start;
    if (needed > this.#memory.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#length));
      this.#memory.copy(grown, 0, 0, this.#length);
      this.#memory = grown;
    }
    bytes.copy(this.#memory, this.#length, start, end);
    this.#length = needed;
  }

  /** Forgets the first `length` bytes. They keep the memory that they are in; what follows moves. */
  dropFirst(length: number): void {
    const isAll = length >= this.#length;
    this.#memory = isAll ? noBytes : Buffer.from(this.#memory.subarray(length, this.#length));
    this.#length = this.#memory.length;
  }
}
