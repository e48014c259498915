/** The largest payload of one chunk: 65520 bytes with its length, as in Git's pkt-line. */
export const maxChunkPayloadBytes = 65_516;

/** Ends the client's data. Source: Gitaly's sidechannels, where a stream cannot be half closed. */
export const endChunk = Buffer.from('0000');

const lengthBytes = 4;

/** Frames what a client sends on a sidechannel: as many chunks as it takes, none for nothing. */
export function encodeChunks(payload: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < payload.length; at += maxChunkPayloadBytes) {
    const part = payload.subarray(at, at + maxChunkPayloadBytes);
    parts.push(Buffer.from((part.length + lengthBytes).toString(16).padStart(lengthBytes, '0')));
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** What a {@link ChunkReader} makes of the bytes so far. */
export type ChunkProgress =
  | { readonly kind: 'more' }
  /** The client's data is complete. */
  | { readonly kind: 'ended' }
  /** The bytes are not chunks: the sidechannel has to be dropped. */
  | { readonly kind: 'invalid'; readonly message: string };

/** Takes the frames off what a client sent, whatever the pieces. Keeps at most 4 bytes. */
export class ChunkReader {
  readonly #onPayload: (payload: Buffer) => void;
  #lengthText = '';
  #payloadLeft = 0;
  #progress: ChunkProgress = { kind: 'more' };

  /** `onPayload` gets parts of chunks that are valid during the call. */
  constructor(onPayload: (payload: Buffer) => void) {
    this.#onPayload = onPayload;
  }

  push(bytes: Buffer): ChunkProgress {
    let at = 0;
    while (at < bytes.length && this.#progress.kind !== 'invalid') {
      if (this.#progress.kind === 'ended') {
        this.#progress = { kind: 'invalid', message: 'sidechannel data follows its end' };
      } else if (this.#payloadLeft > 0) {
        const end = Math.min(bytes.length, at + this.#payloadLeft);
        this.#payloadLeft -= end - at;
        this.#onPayload(bytes.subarray(at, end));
        at = end;
      } else {
        const end = Math.min(bytes.length, at + lengthBytes - this.#lengthText.length);
        this.#lengthText += bytes.toString('latin1', at, end);
        at = end;
        if (this.#lengthText.length === lengthBytes) this.#readLength();
      }
    }
    return this.#progress;
  }

  /** Call it when the stream has ended: without {@link endChunk} something is missing. */
  finish(): ChunkProgress {
    if (this.#progress.kind === 'more') {
      this.#progress = { kind: 'invalid', message: 'sidechannel data stops before its end' };
    }
    return this.#progress;
  }

  #readLength(): void {
    const text = this.#lengthText;
    this.#lengthText = '';
    const length = /^[0-9a-fA-F]{4}$/.test(text) ? Number.parseInt(text, 16) : Number.NaN;
    if (length === 0) {
      this.#progress = { kind: 'ended' };
    } else if (length >= lengthBytes && length - lengthBytes <= maxChunkPayloadBytes) {
      this.#payloadLeft = length - lengthBytes;
    } else {
      const message = `${JSON.stringify(text)} is not the length of a sidechannel chunk`;
      this.#progress = { kind: 'invalid', message };
    }
  }
}
