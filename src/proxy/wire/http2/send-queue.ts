import type { FlowCredit } from './stream.ts';

/** A piece of data that waits, in a buffer of our own. */
export interface QueuedData {
  readonly bytes: Buffer;
  start: number;
  end: number;
  readonly source: FlowCredit | undefined;
}

/** Small pieces are gathered in buffers of this size, so that each costs no more than its bytes. */
const gatherBytes = 4096;

/** Copies of the data that a stream could not send at once, in order. */
export class SendQueue {
  readonly #pieces: QueuedData[] = [];
  #first = 0;
  #bytes = 0;

  /** How many bytes wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The piece that is sent next. */
  get head(): QueuedData | undefined {
    return this.#pieces[this.#first];
  }

  /** Appends a copy of `bytes[start, end)`. */
  push(bytes: Buffer, start: number, end: number, source: FlowCredit | undefined): void {
    const length = end - start;
    this.#bytes += length;
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.source === source && last.bytes.length - last.end >= length) {
      last.end += bytes.copy(last.bytes, last.end, start, end);
      return;
    }
    const copy = Buffer.allocUnsafeSlow(Math.max(length, gatherBytes));
    bytes.copy(copy, 0, start, end);
    this.#pieces.push({ bytes: copy, start: 0, end: length, source });
  }

  /** Removes `bytes` from the head, which has as many. */
  shift(bytes: number): void {
    const { head } = this;
    if (head === undefined) return;
    this.#bytes -= bytes;
    head.start += bytes;
    if (head.start < head.end) return;
    this.#first += 1;
    if (this.#first === this.#pieces.length || this.#first >= 64) {
      this.#pieces.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Drops everything and credits the sources. */
  clear(): void {
    const dropped = this.#pieces.splice(0).slice(this.#first);
    this.#first = 0;
    this.#bytes = 0;
    for (const { source, start, end } of dropped) source?.consumed(end - start);
  }
}
