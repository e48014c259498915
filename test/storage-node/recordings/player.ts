import { setTimeout as delay } from 'node:timers/promises';
import type { Duplex } from 'node:stream';
import type { VoteTransactionRequest } from '../../../src/gen/gitaly/transaction_pb.ts';
import { VoteTransactionResponse_TransactionState as State } from '../../../src/gen/gitaly/transaction_pb.ts';
import { readExactly } from '../grpc/read-exactly.ts';
import { Code, RpcError } from '../grpc/status.ts';
import { signToken } from '../grpc/token.ts';
import { Peer, type PeerEvents, type PeerOutcome } from '../testing/peer.ts';
import type { RecordedCase, RecordedSidechannel } from './recording.ts';

/** What the node did in a replayed case, in the terms of the recording. */
export interface Played {
  readonly outcome: PeerOutcome;
  /** `phase hash node id answer` of each vote, in order. */
  readonly votes: readonly string[];
  readonly stops: readonly string[];
  readonly sidechannels: readonly PlayedSidechannel[];
}

interface PlayedSidechannel {
  readonly id: number;
  readonly received: Buffer;
}

export interface PlayerOptions {
  readonly address: string;
  readonly secret: string;
  /** Rewrites metadata values that name the recorder's own machines. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Does what the recorded client did, and answers votes as it did. */
export async function play(recorded: RecordedCase, options: PlayerOptions): Promise<Played> {
  const { request, method } = recorded;
  if (!request || method === undefined) throw new Error('the recording has no call');
  const votes: string[] = [];
  const stops: string[] = [];
  const sidechannels: { id: number; chunks: Buffer[] }[] = [];
  const cancelling = isCancelled(recorded) ? new AbortController() : undefined;
  let peer: Peer | undefined;
  const events: PeerEvents = {
    async onVote(vote) {
      const answer = recorded.votes?.[votes.length]?.answer ?? 'COMMIT';
      votes.push(`${describeVote(vote)} ${answer}`);
      return answerVote(answer, vote, () => peer?.cut());
    },
    onStop: (stop) => stops.push(String(stop.transactionId)),
    onSidechannel(id, bytes) {
      const channel = { id: Number(id), chunks: [] as Buffer[] };
      const script = sidechannelsOf(recorded)[sidechannels.length];
      sidechannels.push(channel);
      converse(bytes, script, channel.chunks, () => cancelling?.abort()).catch(() =>
        bytes.destroy(),
      );
    },
  };
  const isPlain = recorded.connection.startsWith('plain');
  peer = await (isPlain ? Peer.plain(options.address) : Peer.multiplexed(options.address, events));
  const outcome = await peer.call({
    path: method,
    headers: headersOf(recorded, options),
    messages: (request.messages ?? []).map(({ b64 }) => Buffer.from(b64, 'base64')),
    halfClose: request.half_close,
    timeoutMs: timeoutOf(recorded),
    ...(cancelling && { signal: cancelling.signal }),
  });
  // A sidechannel may bring its last bytes after the status, on another stream.
  await delay(sidechannels.length > 0 ? 50 : 0);
  peer.cut();
  return {
    outcome,
    votes,
    stops,
    sidechannels: sidechannels.map(({ id, chunks }) => ({ id, received: Buffer.concat(chunks) })),
  };
}

/** A call that ends by its deadline shows the same after a shorter time. */
function timeoutOf({ request, response }: RecordedCase): number {
  const timeoutMs = request?.timeout_ms ?? 0;
  const expires = response?.status.message === 'context deadline exceeded';
  return expires ? Math.min(timeoutMs, 2_000) : timeoutMs;
}

/** The sidechannels of a case as a list. */
export function sidechannelsOf(recorded: RecordedCase): readonly RecordedSidechannel[] {
  const { sidechannel } = recorded;
  if (!sidechannel) return [];
  return Array.isArray(sidechannel)
    ? (sidechannel as readonly RecordedSidechannel[])
    : [sidechannel as RecordedSidechannel];
}

function describeVote(vote: VoteTransactionRequest): string {
  const hash = Buffer.from(vote.referenceUpdatesHash).toString('hex');
  return `${vote.phase} ${hash} ${vote.node} ${vote.transactionId}`;
}

async function answerVote(
  answer: string,
  vote: VoteTransactionRequest,
  cut: () => void,
): Promise<State> {
  switch (answer) {
    case 'COMMIT':
      return State.COMMIT;
    case 'ABORT':
      return State.ABORT;
    case 'STOP':
      return State.STOP;
    case 'NOT_FOUND':
      throw new RpcError(Code.NOT_FOUND, `transaction not found: ${vote.transactionId}`);
    case 'CANCELED':
      throw new RpcError(Code.CANCELLED, 'transaction has been canceled');
    case 'CUT':
      cut();
      return new Promise(() => {});
    case 'HANG':
      return new Promise(() => {});
    default:
      throw new Error(`unknown answer ${answer}`);
  }
}

/**
 * Plays the client's side of a sidechannel; a script without `client_to_server` confirms nothing.
 *
 * @param onReceived called whenever more has come than was read before
 */
async function converse(
  bytes: Duplex,
  script: RecordedSidechannel | undefined,
  received: Buffer[],
  onReceived: () => void,
): Promise<void> {
  bytes.on('error', () => {});
  if (script?.closed_first?.includes('not registered')) {
    bytes.end();
    bytes.resume();
    return;
  }
  if (!script?.client_to_server) return;
  bytes.write('ok');
  bytes.write(Buffer.from(script.client_to_server.head_hex, 'hex'));
  if (script.closed_first === 'client') {
    received.push(await readExactly(bytes, script.server_to_client?.len ?? 0));
    bytes.end();
    return;
  }
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    received.push(chunk);
    onReceived();
  }
  bytes.end();
}

/**
 * Whether the client has cancelled the call while it read. It is played with the first bytes that come: after the same
 * time a node that is faster may have sent all.
 */
function isCancelled(recorded: RecordedCase): boolean {
  return /cancelled by the client after \d+ ms/.test(recorded.case);
}

function headersOf(
  recorded: RecordedCase,
  { secret, metadata = {} }: PlayerOptions,
): Record<string, string | string[]> {
  const now = Date.now();
  const tokens: Readonly<Record<string, string>> = {
    '<token>': signToken(secret, now),
    '<token signed with another secret>': signToken(`not ${secret}`, now),
    '<token 120 s old>': signToken(secret, now - 120_000),
    '<token 120 s in the future>': signToken(secret, now + 120_000),
  };
  const headers: Record<string, string[]> = {};
  for (const [name, value] of recorded.request?.metadata ?? []) {
    (headers[name] ??= []).push(metadata[name] ?? tokens[value] ?? value);
  }
  return headers;
}
