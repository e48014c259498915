import { Code, RpcError } from './status.ts';

const prefixLength = 5;

/** The largest message that is accepted, in bytes: the default of grpc-go. */
const maxMessageLength = 4 * 1024 * 1024;

/** One message with its prefix: a flag byte (0, not compressed) and four bytes of length. */
export function encodeFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(prefixLength + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixLength);
  return frame;
}

/**
 * Messages cut out of a byte stream. Holds at most one incomplete message.
 *
 * @throws RpcError if a message is compressed, too long, or cut short by the end of the stream
 */
export async function* decodeFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let available = 0;
  let wanted = prefixLength;
  for await (const chunk of chunks) {
    pending.push(chunk);
    available += chunk.length;
    while (available >= wanted) {
      let bytes = pending.length === 1 && pending[0] ? pending[0] : Buffer.concat(pending);
      const length = messageLength(bytes);
      wanted = prefixLength + length;
      if (bytes.length >= wanted) {
        yield bytes.subarray(prefixLength, wanted);
        bytes = bytes.subarray(wanted);
        wanted = prefixLength;
      }
      pending = [bytes];
      available = bytes.length;
    }
  }
  if (available > 0) throw new RpcError(Code.INTERNAL, 'unexpected EOF');
}

function messageLength(bytes: Buffer): number {
  if (bytes.readUInt8(0) !== 0) {
    throw new RpcError(Code.UNIMPLEMENTED, 'grpc: compressed messages are not supported');
  }
  const length = bytes.readUInt32BE(1);
  if (length > maxMessageLength) {
    const text = `grpc: received message larger than max (${length} vs. ${maxMessageLength})`;
    throw new RpcError(Code.RESOURCE_EXHAUSTED, text);
  }
  return length;
}
