import type { Clock, Timer } from '../../../base/clock.ts';
import { ConnectionError, errorCodes } from './errors.ts';
import type { Http2Limits } from './limits.ts';

/** A header block whose last CONTINUATION frame has not arrived. */
interface OpenBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly fragments: Buffer[];
  bytes: number;
}

/** A header block that is whole. */
export interface HeaderBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly bytes: Buffer;
}

export interface HeaderBlocksOptions {
  readonly limits: Pick<
    Http2Limits,
    'maxContinuationFrames' | 'maxHeaderListBytes' | 'headerBlockTimeoutMs'
  >;
  readonly clock: Clock;
  /** The rest of a block has not come in time. */
  onLate(): void;
}

/** Puts the header blocks together that do not fit in one frame. RFC 9113 section 4.3. */
export class HeaderBlocks {
  readonly #options: HeaderBlocksOptions;
  #open: OpenBlock | undefined;
  #timer: Timer | undefined;

  constructor(options: HeaderBlocksOptions) {
    this.#options = options;
  }

  /** Whether only a CONTINUATION frame may come next. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Keeps the fragment of a HEADERS frame that does not end its block. */
  begin(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const { clock, limits, onLate } = this.#options;
    this.#open = { streamId, endStream, fragments: [], bytes: 0 };
    this.#timer = clock.after(limits.headerBlockTimeoutMs, onLate);
    this.#append(this.#open, bytes, start, end);
  }

  /**
   * Adds the fragment `bytes[start, end)` of a CONTINUATION frame.
   *
   * @returns the whole block if the frame ends it
   * @throws ConnectionError if no block is open on that stream, or it is larger than allowed
   */
  add(
    streamId: number,
    endHeaders: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): HeaderBlock | undefined {
    const open = this.#open;
    if (open === undefined || open.streamId !== streamId) {
      throw new ConnectionError(
        errorCodes.protocolError,
        'CONTINUATION without a block to continue',
      );
    }
    this.#append(open, bytes, start, end);
    if (!endHeaders) return undefined;
    this.drop();
    return { streamId, endStream: open.endStream, bytes: Buffer.concat(open.fragments) };
  }

  /** Forgets the block that is open, if one is. */
  drop(): void {
    this.#open = undefined;
    this.#timer?.cancel();
  }

  #append(open: OpenBlock, bytes: Buffer, start: number, end: number): void {
    open.fragments.push(Buffer.from(bytes.subarray(start, end)));
    open.bytes += end - start;
    const { maxContinuationFrames, maxHeaderListBytes } = this.#options.limits;
    // The first fragment came in the HEADERS frame.
    const isTooLong = open.fragments.length - 1 > maxContinuationFrames;
    if (isTooLong || open.bytes > maxHeaderListBytes) {
      throw new ConnectionError(errorCodes.enhanceYourCalm, 'a header block is too large');
    }
  }
}
