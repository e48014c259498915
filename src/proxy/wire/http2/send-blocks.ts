/** A block for what is short: each of a thousand streams may keep a few bytes. */
const smallBlockBytes = 4096;
/** As long as a DATA frame of most peers. */
const blockBytes = 16_384;
/** So many are kept when none is in use: 4 MiB. */
const minSpares = 256;

/**
 * Memory for data that waits, in blocks that are used again. Fresh ones for all data would be garbage as soon as
 * it is sent, and of garbage outside of its heap Node.js lets more gather than there is data.
 */
export class SendBlocks {
  readonly #spares: Buffer[] = [];
  #taken = 0;

  /** A block for the first of `bytes` bytes, or for all of them. What is in it is anything. */
  take(bytes: number): Buffer {
    if (bytes <= smallBlockBytes) return Buffer.allocUnsafeSlow(smallBlockBytes);
    this.#taken += 1;
    return this.#spares.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
  }

  /** Gives back a block, once, that nobody looks at any more. */
  giveBack(block: Buffer): void {
    if (block.length === smallBlockBytes) return;
    this.#taken -= 1;
    this.#spares.push(block);
    // As many as are in use may be wanted soon: queues empty and fill in turns.
    const kept = Math.max(minSpares, this.#taken);
    if (this.#spares.length > kept) this.#spares.length = kept;
  }
}

/** Those of this thread, whatever connection the data is for. */
export const sendBlocks = new SendBlocks();
