/**
 * The framing of messages in gRPC over HTTP/2: a flag, a length of four bytes, the message
 * (grpc repository, `doc/PROTOCOL-HTTP2.md`, "Length-Prefixed-Message").
 */
export const messagePrefixBytes = 5;

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

/** Puts messages together from pieces as they come. Keeps at most one message, up to the limit. */
export class GrpcMessageReader {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #collected = 0;

  /** @param options.maxBytes the longest message that is accepted, without its prefix */
  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  /** Whether what came so far were whole messages. */
  get atBoundary(): boolean {
    return this.#collected === 0;
  }

  /** Takes `bytes[start, end)`, which may be reused afterwards. */
  push(bytes: Buffer, start: number, end: number): ReadMessages {
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
    this.#collected += end - start;
    if (this.#collected < messagePrefixBytes) return { kind: 'messages', messages: [] };

    let collected = this.#join();
    const messages: Buffer[] = [];
    while (collected.length >= messagePrefixBytes) {
      if (collected[0] !== 0) return { kind: 'invalid', reason: 'a message is compressed' };
      const length = collected.readUInt32BE(1);
      if (length > this.#maxBytes) {
        const reason = `a message has ${length} bytes; at most ${this.#maxBytes} are accepted`;
        return { kind: 'invalid', reason };
      }
      const next = messagePrefixBytes + length;
      if (collected.length < next) break;
      messages.push(collected.subarray(messagePrefixBytes, next));
      collected = collected.subarray(next);
    }
    this.#pieces = collected.length === 0 ? [] : [collected];
    this.#collected = collected.length;
    return { kind: 'messages', messages };
  }

  #join(): Buffer {
    const [first] = this.#pieces;
    const joined =
      this.#pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }
}
