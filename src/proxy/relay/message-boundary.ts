/**
 * Knows whether a stream of gRPC messages was cut between two messages or inside one. A call that
 * breaks between messages can end with a status; inside one, clients take a status for corruption.
 */
export class MessageBoundary {
  readonly #prefix = new Uint8Array(5);
  #prefixBytes = 0;
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
      this.#prefix[this.#prefixBytes++] = bytes[position++] ?? 0;
      if (this.#prefixBytes < this.#prefix.length) continue;
      this.#prefixBytes = 0;
      this.#remaining = new DataView(this.#prefix.buffer).getUint32(1);
    }
  }
}
