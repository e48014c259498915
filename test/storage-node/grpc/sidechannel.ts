import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../src/base/clock.ts';
import { TimeoutError, withTimeout } from '../../../src/base/clock.ts';
import { flushPacket, packet, PacketReader } from '../git/pkt-line.ts';
import { readExactly } from './read-exactly.ts';
import type { CallContext } from './server-call.ts';
import { Code, RpcError } from './status.ts';

const magic = Buffer.from('sidechannel');
const establishTimeoutMs = 5_000;

/** Our end of a sidechannel: raw bytes to the client, framed bytes from it. */
export interface Sidechannel {
  /** What the client sends, without the framing. Ends at its end marker. */
  input(): AsyncGenerator<Buffer>;
  /** Sends bytes; resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends our direction after what was written. */
  end(): void;
}

/**
 * Opens the sidechannel that metadata `gitaly-sidechannel-id` names, towards the caller.
 *
 * @throws RpcError UNAVAILABLE if the caller does not confirm it within 5 s
 */
export async function openSidechannel(call: CallContext, clock: Clock): Promise<Sidechannel> {
  // node:http2 joins repeated headers with a comma; the last one counts.
  const id = call.metadata.get('gitaly-sidechannel-id')?.split(',').at(-1)?.trim();
  if (id === undefined) {
    const text = 'sidechannel: sidechannel-id not found in incoming metadata';
    throw new RpcError(Code.INTERNAL, text);
  }
  const { backchannel } = call.connection;
  if (!backchannel) {
    const text = 'sidechannel: fail to extract mux session: non-multiplexed connection';
    throw new RpcError(Code.INTERNAL, text);
  }
  const bytes = backchannel.openStream();
  bytes.on('error', () => {});
  call.signal.addEventListener('abort', () => bytes.destroy(), { once: true });
  bytes.write(magic);
  const idBytes = Buffer.alloc(8);
  idBytes.writeBigInt64BE(BigInt(id));
  bytes.write(idBytes);
  try {
    await withTimeout(clock, establishTimeoutMs, 'confirmation', readConfirmation(bytes));
  } catch (error) {
    bytes.destroy();
    const reason = error instanceof TimeoutError ? 'i/o deadline reached' : 'EOF';
    throw new RpcError(Code.UNAVAILABLE, `sidechannel: receive confirmation: ${reason}`);
  }
  return {
    input: () => decodeChunks(bytes),
    write: (chunk) => write(bytes, chunk, call.signal),
    end: () => bytes.end(),
  };
}

/** The client's data out of its chunks: packets, and `0000` for the end. */
async function* decodeChunks(bytes: Duplex): AsyncGenerator<Buffer> {
  const reader = new PacketReader();
  for await (const chunk of bytes.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    for (const item of reader.push(chunk)) {
      if (item.kind === 'flush') return;
      if (item.kind !== 'data') throw new Error('sidechannel: unexpected packet');
      yield item.data;
    }
  }
  throw new Error('sidechannel: unexpected EOF');
}

/** The client's side of the framing: `data` in chunks, each with its length. */
export function encodeChunks(data: Buffer): Buffer {
  const maxLength = 65_516;
  const chunks: Buffer[] = [];
  for (let at = 0; at < data.length; at += maxLength) {
    chunks.push(packet(data.subarray(at, at + maxLength)));
  }
  return Buffer.concat(chunks);
}

/** The client's end marker. */
export const endOfChunks = flushPacket;

async function readConfirmation(bytes: Duplex): Promise<void> {
  const answer = await readExactly(bytes, 2);
  if (answer.toString() !== 'ok') throw new Error('unexpected confirmation');
}

async function write(bytes: Duplex, chunk: Uint8Array, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (bytes.destroyed) throw new Error('sidechannel: closed');
  if (bytes.write(chunk)) return;
  await once(bytes, 'drain', { signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
}
