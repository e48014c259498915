/**
 * The buffer that a transport keeps until it is written, to be used again when the transport has given
 * it back. Fresh buffers of that size with every write make the garbage collector go over the whole
 * heap again and again: that was a third of the CPU of a bulk transfer.
 */
export class LentBuffer {
  #lent: Buffer | undefined;
  #spare: Buffer | undefined;

  /** The transport keeps `buffer`. */
  lend(buffer: Buffer): void {
    this.#lent = buffer;
  }

  /** The transport has given back what it had. */
  giveBack(): void {
    this.#spare = this.#lent ?? this.#spare;
    this.#lent = undefined;
  }

  /** A buffer of `bytes` at least: the one that was given back, or a fresh one. */
  take(bytes: number): Buffer {
    const spare = this.#spare;
    this.#spare = undefined;
    return spare !== undefined && spare.length >= bytes ? spare : Buffer.allocUnsafeSlow(bytes);
  }
}
