/**
 * The framing of messages in gRPC over HTTP/2: a flag, a length of four bytes, the message
 * (grpc repository, `doc/PROTOCOL-HTTP2.md`, "Length-Prefixed-Message").
 */
const messagePrefixBytes = 5;

/** A message with its prefix, not compressed. */
export function encodeMessage(message: Uint8Array): Buffer {
  const encoded = Buffer.allocUnsafe(messagePrefixBytes + message.length);
  encoded[0] = 0;
  encoded.writeUInt32BE(message.length, 1);
  encoded.set(message, messagePrefixBytes);
  return encoded;
}

export type ReadMessages =
  /** The messages that became complete, without their prefixes. */
  | { readonly kind: 'messages'; readonly messages: readonly Buffer[] }
  | { readonly kind: 'invalid'; readonly reason: string };

/**
 * Puts messages together from pieces as they come. Keeps at most one message, up to the limit, in
 * memory that grows with what has come, not with what a prefix announces.
 */
export class GrpcMessageReader {
  readonly #maxBytes: number;
  /** The first {@link #length} bytes are of messages that are not complete. */
  #buffer = noBytes;
  #length = 0;

  /** @param options.maxBytes the longest message that is accepted, without its prefix */
  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  /** Whether what came so far were whole messages. */
  get atBoundary(): boolean {
    return this.#length === 0;
  }

  /** Takes `bytes[start, end)`, which may be reused afterwards. */
  push(bytes: Buffer, start: number, end: number): ReadMessages {
    this.#append(bytes, start, end);
    const messages: Buffer[] = [];
    let taken = 0;
    while (this.#length - taken >= messagePrefixBytes) {
      if (this.#buffer[taken] !== 0) return { kind: 'invalid', reason: 'a message is compressed' };
      const length = this.#buffer.readUInt32BE(taken + 1);
      if (length > this.#maxBytes) {
        const reason = `a message has ${length} bytes; at most ${this.#maxBytes} are accepted`;
        return { kind: 'invalid', reason };
      }
      const messageStart = taken + messagePrefixBytes;
      if (this.#length < messageStart + length) break;
      taken = messageStart + length;
      messages.push(this.#buffer.subarray(messageStart, taken));
    }
    if (taken > 0) this.#keepFrom(taken);
    return { kind: 'messages', messages };
  }

  /** Doubling keeps the copying in proportion to the message, however small the pieces are. */
  #append(bytes: Buffer, start: number, end: number): void {
    const needed = this.#length + end - start;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#length));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    bytes.copy(this.#buffer, this.#length, start, end);
    this.#length = needed;
  }

  /** The messages keep the memory that they are in; what follows them moves. */
  #keepFrom(start: number): void {
    this.#buffer = Buffer.from(this.#buffer.subarray(start, this.#length));
    this.#length = this.#buffer.length;
  }
}

const noBytes = Buffer.alloc(0);
