const minCapacity = 1024;

/** Whole numbers of 0 to 2^32 - 1, one after the other, in 4 bytes each. */
export class Uint32List {
  #values = new Uint32Array(minCapacity);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** How much memory the values take. */
  get byteLength(): number {
    return this.#length * Uint32Array.BYTES_PER_ELEMENT;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Uint32Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  /** The value at this place, from 0 on; undefined if there is none. */
  at(place: number): number | undefined {
    return place < this.#length ? this.#values[place] : undefined;
  }

  /** What was pushed, without a copy: push no more afterwards. */
  toArray(): Uint32Array {
    return this.#values.subarray(0, this.#length);
  }
}
