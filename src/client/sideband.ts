/** A piece of one of the two outputs that share a stream. */
export interface SidebandPiece {
  readonly band: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

/** What came of {@link SidebandReader.push}. */
export type SidebandRead =
  | { readonly kind: 'pieces'; readonly pieces: readonly SidebandPiece[] }
  | { readonly kind: 'invalid'; readonly message: string };

const lengthBytes = 4;
const headBytes = 5;

/**
 * Takes apart the output of SSHUploadPackWithSidechannel: packets of four hex digits (their length,
 * these four included), a band (1 stdout, 2 stderr) and the payload. Packets of length 0 (`0000`) and
 * empty ones mean nothing.
 *
 * Payload is handed on as it arrives, so that at most five bytes wait here.
 */
export class SidebandReader {
  readonly #head = Buffer.alloc(headBytes);
  #headLength = 0;
  #band: SidebandPiece['band'] = 'stdout';
  /** Payload of the current packet that is still to come. */
  #payloadLeft = 0;

  /** The pieces refer to the memory of `chunk`. After `invalid`, push no more. */
  push(chunk: Buffer): SidebandRead {
    const pieces: SidebandPiece[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const bytes = chunk.subarray(at, at + this.#payloadLeft);
        pieces.push({ band: this.#band, bytes });
        this.#payloadLeft -= bytes.length;
        at += bytes.length;
      } else {
        this.#head[this.#headLength++] = chunk[at++] ?? 0;
        const problem = this.#readHead();
        if (problem !== undefined) return { kind: 'invalid', message: problem };
      }
    }
    return { kind: 'pieces', pieces };
  }

  /** True between packets: where the stream may end. */
  get isComplete(): boolean {
    return this.#headLength === 0 && this.#payloadLeft === 0;
  }

  #readHead(): string | undefined {
    if (this.#headLength < lengthBytes) return undefined;
    const digits = this.#head.toString('latin1', 0, lengthBytes);
    if (!/^[0-9a-f]{4}$/i.test(digits)) return `${JSON.stringify(digits)} is no packet length`;
    const length = Number.parseInt(digits, 16);
    if (length === 0 || length === lengthBytes) {
      this.#headLength = 0;
      return undefined;
    }
    if (length < lengthBytes) return `a packet cannot have length ${length}`;
    if (this.#headLength < headBytes) return undefined;
    const band = this.#head[lengthBytes];
    if (band !== 1 && band !== 2) return `the server used band ${band}, which has no meaning`;
    this.#band = band === 1 ? 'stdout' : 'stderr';
    this.#payloadLeft = length - headBytes;
    this.#headLength = 0;
    return undefined;
  }
}
