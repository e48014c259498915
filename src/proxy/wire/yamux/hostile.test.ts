import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { FrameReader, frameType } from './frames.ts';
import { YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';
import { memoryLink, Recorder } from './testing.ts';

const recordingsFile = new URL(
  '../../../../../shared/recordings/9-raw-bytes.jsonl',
  import.meta.url,
);
const magicBytes = 11;

interface Recording {
  readonly case: string;
  readonly client_to_server: { readonly first_bytes_hex: string };
  readonly server_to_client: { readonly first_bytes_hex: string };
}

function loadRecordings(): readonly Recording[] {
  return readFileSync(recordingsFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Recording);
}

function createSession(role: 'client' | 'server') {
  const link = memoryLink({ capacityBytes: 1024 * 1024 });
  const wire = new Recorder();
  const streams = new Map<number, { stream: YamuxStream; recorder: Recorder }>();
  const closed: (Error | undefined)[] = [];
  const adopt = (stream: YamuxStream) => {
    const recorder = new Recorder();
    streams.set(stream.id, { stream, recorder });
    stream.start(recorder);
  };
  const session = new YamuxSession({
    transport: link.a,
    role,
    clock: new ManualClock(),
    maxStreamWindowBytes: 16_777_216,
    onStream: adopt,
    onClosed: (error) => closed.push(error),
  });
  link.b.start(wire);
  session.start();
  return { session, link, wire, streams, closed, adopt };
}

/** Sorts the payload of complete and cut frames by stream. */
function payloads(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  let current = 0;
  const reader = new FrameReader({
    onHeader(type, _flags, streamId) {
      if (type === frameType.data) current = streamId;
      if (streamId > 0 && !found.has(streamId)) found.set(streamId, Buffer.alloc(0));
    },
    onPayload(chunk) {
      found.set(current, Buffer.concat([found.get(current) ?? Buffer.alloc(0), chunk]));
    },
  });
  reader.push(bytes);
  return found;
}

/** Changes, drops, repeats and inserts bytes. */
const mutations = fc.array(
  fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('flip', 'delete', 'repeat', 'insert'),
    value: fc.integer({ min: 0, max: 255 }),
  }),
  { maxLength: 6 },
);

function mutate(bytes: Buffer, changes: readonly { at: number; kind: string; value: number }[]) {
  let result = Buffer.from(bytes);
  for (const { at, kind, value } of changes) {
    const index = at % Math.max(1, result.length);
    const [head, tail] = [result.subarray(0, index), result.subarray(index)];
    if (kind === 'flip') result[index] = (result[index] ?? 0) ^ value;
    if (kind === 'delete') result = Buffer.concat([head, tail.subarray(1 + (value % 20))]);
    if (kind === 'repeat') result = Buffer.concat([head, tail.subarray(0, value), tail]);
    if (kind === 'insert') result = Buffer.concat([head, Buffer.alloc(1 + (value % 14)), tail]);
  }
  return result;
}

const seeds = [
  Buffer.from(
    '000100010000000100000000' + // opening
      '00000000000000010000000568656c6c6f' + // data
      '000200010000000000000007' + // ping
      '000100000000000100000400' + // window
      '00000004000000010000000262790001000100000003000000ff' + // data and end, opening
      '000100080000000300000000' + // reset
      '000300000000000000000000', // go away
    'hex',
  ),
];

describe('a yamux session', () => {
  test('survives any damage to its input, and closes at most once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...seeds), mutations, async (seed, changes) => {
        const peer = createSession('server');
        const bytes = mutate(Buffer.concat([seed, seed]), changes);
        peer.link.b.write(bytes, bytes.length);
        await peer.link.settle();
        peer.session.destroy();
        await peer.link.settle();
        expect(peer.closed).toHaveLength(1);
        expect(peer.session.streamCount).toBe(0);
        for (const { recorder } of peer.streams.values()) {
          expect(recorder.log.filter((entry) => entry === 'close')).toHaveLength(1);
        }
      }),
      { numRuns: 500 },
    );
  });
});

const describeRecorded = existsSync(recordingsFile) ? describe : describe.skip;

describeRecorded('the recorded bytes of Gitaly (skipped without ../shared/recordings)', () => {
  for (const recording of existsSync(recordingsFile) ? loadRecordings() : []) {
    test(`as the server: ${recording.case}`, async () => {
      const bytes = Buffer.from(recording.client_to_server.first_bytes_hex, 'hex');
      expect(bytes.subarray(0, magicBytes).toString()).toBe('backchannel');
      const peer = createSession('server');
      const frames = bytes.subarray(magicBytes);
      const expected = payloads(frames);
      peer.link.b.write(frames, frames.length);
      await peer.link.settle();
      expect(peer.session.closed).toBe(false);
      const first = peer.streams.get(1)?.recorder.bytes;
      expect(first).toEqual(expected.get(1));
      expect(first?.subarray(0, 16).toString('latin1')).toBe('PRI * HTTP/2.0\r\n');
      // What Gitaly answered to the same opening, with the same window.
      const answered = Buffer.from(recording.server_to_client.first_bytes_hex, 'hex');
      expect(peer.wire.bytes.subarray(0, 12)).toEqual(answered.subarray(0, 12));
    });

    test(`as the client: ${recording.case}`, async () => {
      const peer = createSession('client');
      peer.adopt(peer.session.open());
      const bytes = Buffer.from(recording.server_to_client.first_bytes_hex, 'hex');
      const expected = payloads(bytes);
      peer.link.b.write(bytes, bytes.length);
      await peer.link.settle();
      expect(peer.session.closed).toBe(false);
      expect(new Set(peer.streams.keys())).toEqual(new Set(expected.keys()));
      for (const [id, { recorder }] of peer.streams) {
        expect(recorder.bytes).toEqual(expected.get(id));
      }
    });
  }
});
