import { sendBlocks } from './send-blocks.ts';
import type { FlowCredit } from './stream.ts';

/** A piece of data that waits, in a block of our own: valid until it is shifted or cleared. */
export interface QueuedData {
  readonly bytes: Buffer;
  start: number;
  end: number;
  readonly source: FlowCredit | undefined;
}

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
    this.#bytes += end - start;
    let from = start;
    // Small pieces are gathered, so that each costs no more than its bytes.
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.source === source) {
      const copied = bytes.copy(last.bytes, last.end, from, end);
      last.end += copied;
      from += copied;
    }
    while (from < end) {
      const block = sendBlocks.take(end - from);
      const copied = bytes.copy(block, 0, from, end);
      this.#pieces.push({ bytes: block, start: 0, end: copied, source });
      from += copied;
    }
  }

  /** Removes `bytes` from the head, which has as many. */
  shift(bytes: number): void {
    const { head } = this;
    if (head === undefined) return;
    this.#bytes -= bytes;
    head.start += bytes;
    if (head.start < head.end) return;
    sendBlocks.giveBack(head.bytes);
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
    for (const { bytes } of dropped) sendBlocks.giveBack(bytes);
    for (const { source, start, end } of dropped) source?.consumed(end - start);
  }
}
