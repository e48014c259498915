/**
 * Knows whether a stream of gRPC messages was cut between two messages or inside one. A call that
 * breaks between messages can end with a status; inside one, clients take a status for corruption.
 */
export class MessageBoundary {
  /** How many bytes of the next message's prefix have passed. */
  #prefixBytes = 0;
  /** The length that the prefix says, as far as it has passed. */
  #length = 0;
  #remaining = 0;

  /** Whether everything so far was whole messages. */
  get atBoundary(): boolean {
    return this.#prefixBytes === 0 && this.#remaining === 0;
  }

  /** Takes note of bytes that passed. */
  pass(bytes: Uint8Array, start: number, end: number): void {
    let position = start;
    while (position < end) {
      if (this.#remaining > 0) {
        const skipped = Math.min(this.#remaining, end - position);
        this.#remaining -= skipped;
        position += skipped;
        continue;
      }
      // The first byte is a flag: it is pushed out by the four of the length.
      this.#length = ((this.#length << 8) | (bytes[position++] ?? 0)) >>> 0;
      this.#prefixBytes += 1;
      if (this.#prefixBytes < prefixBytes) continue;
      this.#prefixBytes = 0;
      this.#remaining = this.#length;
    }
  }
}

/** A flag, and four bytes of length. */
const prefixBytes = 5;
