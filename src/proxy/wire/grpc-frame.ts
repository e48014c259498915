import { GrowingBuffer } from './growing-buffer.ts';

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
  /** Of messages that are not complete. */
  readonly #pending = new GrowingBuffer();

  /** @param options.maxBytes the longest message that is accepted, without its prefix */
  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  /** Whether what came so far were whole messages. */
  get atBoundary(): boolean {
    return this.#pending.length === 0;
  }

  /** Takes `bytes[start, end)`, which may be reused afterwards. */
  push(bytes: Buffer, start: number, end: number): ReadMessages {
    this.#pending.append(bytes, start, end);
    const pending = this.#pending.bytes;
    const messages: Buffer[] = [];
    let taken = 0;
    while (pending.length - taken >= messagePrefixBytes) {
      if (pending[taken] !== 0) return { kind: 'invalid', reason: 'a message is compressed' };
      const length = pending.readUInt32BE(taken + 1);
      if (length > this.#maxBytes) {
        const reason = `a message has ${length} bytes; at most ${this.#maxBytes} are accepted`;
        return { kind: 'invalid', reason };
      }
      const messageStart = taken + messagePrefixBytes;
      if (pending.length < messageStart + length) break;
      taken = messageStart + length;
      messages.push(pending.subarray(messageStart, taken));
    }
    if (taken > 0) this.#pending.dropFirst(taken);
    return { kind: 'messages', messages };
  }
}
