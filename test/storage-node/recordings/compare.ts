import { RpcError } from '../grpc/status.ts';
import { type Played, sidechannelsOf } from './player.ts';
import type { RecordedCase } from './recording.ts';

/** One way in which a replay was not what was recorded. */
export interface Difference {
  readonly what: string;
  readonly recorded: unknown;
  readonly played: unknown;
}

/**
 * Compares a replay with its recording: status, details, trailers, votes, stops and messages. What differs between
 * machines is left out: times, disk figures, the versions of git and server, and how a byte stream is cut into messages.
 */
export function compare(recorded: RecordedCase, played: Played): Difference[] {
  const differences: Difference[] = [];
  const check = (what: string, expected: unknown, actual: unknown) => {
    if (JSON.stringify(expected) === JSON.stringify(actual)) return;
    differences.push({ what, recorded: expected, played: actual });
  };
  check('status', recordedStatus(recorded), playedStatus(played));
  check('cost', recordedCost(recorded), playedCost(recorded, played));
  check('votes', (recorded.votes ?? []).map(formatVote), played.votes);
  const stops = (recorded.stop_requests ?? []).map((stop) => String(stop.transaction_id));
  check('stop requests', stops, played.stops);
  check('messages', recordedBytes(recorded), playedBytes(recorded, played));
  const channels = sidechannelsOf(recorded);
  check(
    'sidechannels',
    channels.map(({ id, server_to_client: output }) =>
      summary(id, Buffer.from(output?.head_hex ?? '', 'hex'), output?.len ?? 0),
    ),
    played.sidechannels.map(({ id, received }) => summary(id, received, received.length)),
  );
  return differences;
}

function formatVote(vote: NonNullable<RecordedCase['votes']>[number]): string {
  return `${vote.phase} ${vote.hash} ${vote.node} ${vote.transaction_id} ${vote.answer}`;
}

/** Statuses that the client makes up itself; the node is not asked. */
const clientMade = new Set(['context deadline exceeded', 'context canceled']);

function recordedStatus(recorded: RecordedCase): unknown {
  const status = recorded.response?.status;
  if (!status) return undefined;
  if (clientMade.has(status.message)) return 'cancelled';
  if (status.message.includes('error reading from server: EOF')) return 'cut';
  const details = (status.details ?? []).map(
    (detail) => `${detail.type_url.split('/').at(-1)} ${detail.value_b64}`,
  );
  return { code: status.code, message: withoutVersions(status.message), details };
}

function playedStatus({ outcome: { status } }: Played): unknown {
  if (typeof status === 'string') return status;
  const details = (status?.details ?? []).map(
    ({ typeName, value }) => `${typeName} ${Buffer.from(value).toString('base64')}`,
  );
  return {
    code: status?.code ?? 0,
    message: withoutVersions(status instanceof RpcError ? status.message : ''),
    details,
  };
}

function recordedCost(recorded: RecordedCase): unknown {
  return recorded.response?.trailers?.find(([name]) => name === 'x-gitaly-cost')?.[1];
}

function playedCost(recorded: RecordedCase, { outcome }: Played): unknown {
  const ended = recordedStatus(recorded);
  if (ended === 'cancelled' || ended === 'cut') return undefined;
  return outcome.trailers['x-gitaly-cost'] ?? outcome.headers['x-gitaly-cost'];
}

/** Methods whose messages carry a byte stream, and the fields that do. */
const streams: Readonly<Record<string, readonly string[]>> = {
  SSHReceivePack: ['stdout', 'stderr'],
  PostReceivePack: ['data'],
  InfoRefsUploadPack: ['data'],
  InfoRefsReceivePack: ['data'],
  CreateBundle: ['data'],
};

/** Methods whose answers are figures of a machine. */
const figures = new Set(['ServerInfo', 'DiskStatistics', 'WalkRepos']);

function methodOf(recorded: RecordedCase): string {
  return recorded.method?.split('/').at(-1) ?? '';
}

function recordedBytes(recorded: RecordedCase): unknown {
  const messages = (recorded.response?.messages ?? []).map(({ b64 }) => Buffer.from(b64, 'base64'));
  return normalize(methodOf(recorded), messages);
}

function playedBytes(recorded: RecordedCase, { outcome }: Played): unknown {
  return normalize(methodOf(recorded), outcome.messages);
}

function normalize(method: string, messages: readonly Buffer[]): unknown {
  if (figures.has(method)) return messages.length > 0;
  const fields = streams[method];
  if (!fields) return messages.map((message) => message.toString('base64'));
  const joined = fields.map((field, i) => [field, joinField(messages, i + 1)]);
  return joined.map(([field, text]) => `${field}: ${withoutVersions(text ?? '')}`);
}

/** The bytes of one length-delimited field of all messages, one after the other. */
function joinField(messages: readonly Buffer[], field: number): string {
  return messages.map((message) => readField(message, field)).join('');
}

function readField(message: Buffer, field: number): string {
  const tag = message[0];
  if (tag !== ((field << 3) | 2)) return '';
  let length = 0;
  let at = 1;
  for (let shift = 0; ; shift += 7) {
    const byte = message[at] ?? 0;
    at += 1;
    length |= (byte & 0x7f) << shift;
    if ((byte & 0x80) === 0) break;
  }
  return message.toString('latin1', at, at + length);
}

/** Texts of git that differ between its versions, in one form. */
function withoutVersions(text: string): string {
  return unpacketed(text)
    .replaceAll(/agent=git\/\S+/g, 'agent=git/X')
    .replaceAll('0010object-info\n', '')
    .replaceAll(
      /fatal: (?:in 'prepared' phase, update|ref updates) aborted by (?:the reference-transaction )?hook/g,
      'fatal: aborted by hook',
    );
}

/** The length of a packet that holds a version depends on it. */
function unpacketed(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{4}(?=[0-9a-f]{40,64} [^\n]*\0)/g, 'LEN')
    .replaceAll(/[0-9a-f]{4}(?=agent=)/g, 'LEN');
}

// oxlint-disable-next-line no-control-regex -- the band of progress messages
const progressPacket = /[0-9a-f]{4}\u0002/;
// oxlint-disable-next-line no-control-regex -- the bands of output and errors
const bandPacket = /^[0-9a-f]{4}[\u0001\u0002]/;

/** So much of a long answer is compared: before progress messages, which are cut by chance. */
const comparedLength = 150;

/** What can be compared of the answer on a sidechannel: all of a short one, the beginning of a long one. */
function summary(id: number, output: Buffer, length: number): string {
  const text = withoutVersions(withoutBands(output.toString('latin1')));
  const progress = text.search(progressPacket);
  if (progress < 0 && length <= 300) return `${id}: ${text}`;
  return `${id}: ${text.slice(0, progress < 0 ? comparedLength : Math.min(progress, comparedLength))}`;
}

/** Over SSH all output is in bands, cut by chance: output and errors, one after the other. */
function withoutBands(text: string): string {
  if (!bandPacket.test(text)) return text;
  let joined = '';
  for (let at = 0; at < text.length;) {
    const length = Number.parseInt(text.slice(at, at + 4), 16);
    joined += text.slice(at + 5, at + length);
    at += Math.max(4, length);
  }
  return joined;
}
