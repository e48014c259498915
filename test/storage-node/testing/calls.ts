import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  type SSHReceivePackRequestSchema,
  SSHReceivePackResponseSchema,
  SSHService,
} from '../../../src/gen/gitaly/ssh_pb.ts';
import {
  type VoteTransactionRequest,
  VoteTransactionResponse_TransactionState as State,
} from '../../../src/gen/gitaly/transaction_pb.ts';
import { flushPacket, packet } from '../git/pkt-line.ts';
import { pathOf } from '../grpc/handler.ts';
import type { Peer, PeerEvents, PeerOutcome } from './peer.ts';

const timeoutMs = 20_000;

/** Metadata that makes a call part of a transaction. */
export function transaction(node: string, primary = true, id = 1): Record<string, string> {
  const json = JSON.stringify({ id, node, primary });
  return { 'gitaly-reference-transaction': Buffer.from(json).toString('base64') };
}

/** A peer that agrees to every vote, and calls back before it does. */
export function agreeing(onVote?: (vote: VoteTransactionRequest) => Promise<void>): PeerEvents {
  return {
    async onVote(vote) {
      await onVote?.(vote);
      return State.COMMIT;
    },
    onStop() {},
    onSidechannel: (_id, bytes) => bytes.destroy(),
  };
}

/** What came of a call: its response, or how it ended otherwise. */
export interface CallResult<O extends DescMessage> {
  readonly status: PeerOutcome['status'];
  readonly response: MessageShape<O> | undefined;
}

export async function callUnary<I extends DescMessage, O extends DescMessage>(
  peer: Peer,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  headers: Readonly<Record<string, string>> = {},
): Promise<CallResult<O>> {
  const { messages, status } = await peer.call({
    path: pathOf(method),
    headers,
    messages: [Buffer.from(toBinary(method.input, create(method.input, request)))],
    halfClose: true,
    timeoutMs,
  });
  const [first] = messages;
  return { status, response: first && fromBinary(method.output, first) };
}

/** One reference in a push. */
export interface PushedReference {
  readonly reference: string;
  readonly oldId: string;
  readonly newId: string;
  /** Undefined for a deletion. */
  readonly pack: Buffer | undefined;
}

/** What a push over SSH brought. */
export interface PushResult {
  readonly status: PeerOutcome['status'];
  readonly stdout: string;
  readonly stderr: string;
}

/** Pushes one reference over SSH. */
export async function push(
  peer: Peer,
  repository: { storageName: string; relativePath: string },
  { reference, oldId, newId, pack }: PushedReference,
  headers: Readonly<Record<string, string>> = {},
): Promise<PushResult> {
  const { sSHReceivePack } = SSHService.method;
  const capabilities = 'report-status side-band-64k object-format=sha1';
  const stdin = Buffer.concat([
    packet(`${oldId} ${newId} ${reference}\0${capabilities}`),
    flushPacket,
    pack ?? Buffer.alloc(0),
  ]);
  const encode = (message: MessageInitShape<typeof SSHReceivePackRequestSchema>) =>
    Buffer.from(toBinary(sSHReceivePack.input, create(sSHReceivePack.input, message)));
  const { messages, status } = await peer.call({
    path: pathOf(sSHReceivePack),
    headers,
    messages: [
      encode({ repository: { ...repository, glRepository: 'project-1' }, glId: 'user-1' }),
      ...chunksOf(stdin).map((chunk) => encode({ stdin: chunk })),
    ],
    halfClose: true,
    timeoutMs,
  });
  const responses = messages.map((message) => fromBinary(SSHReceivePackResponseSchema, message));
  const join = (parts: readonly Uint8Array[]) => Buffer.concat(parts).toString('latin1');
  return {
    status,
    stdout: join(responses.map(({ stdout }) => stdout)),
    stderr: join(responses.map(({ stderr }) => stderr)),
  };
}

function chunksOf(bytes: Buffer): Buffer[] {
  const size = 128 * 1024;
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}
