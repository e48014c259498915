import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { damaged, inPieces, pieceSizes } from '../../../../test/support/damaged-bytes.ts';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { recordedConnections } from '../../../../test/support/recorded-bytes.ts';
import { FrameReader, frameType } from './frames.ts';
import { YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';
import { memoryLink, Recorder } from './testing.ts';

const magicBytes = 11;
const recordings = recordedConnections();

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

const someOfEverything = Buffer.from(
  '000100010000000100000000' + // opening
    '00000000000000010000000568656c6c6f' + // data
    '000200010000000000000007' + // ping
    '000100000000000100000400' + // window
    '00000004000000010000000262790001000100000003000000ff' + // data and end, opening
    '000100080000000300000000' + // reset
    '000300000000000000000000', // go away
  'hex',
);

/** Plays bytes to a session, ends it, and checks that it and its streams end once. */
async function expectSound(role: 'client' | 'server', bytes: Buffer, sizes: readonly number[]) {
  const peer = createSession(role);
  if (role === 'client') peer.adopt(peer.session.open());
  for (const piece of inPieces(bytes, sizes)) {
    peer.link.b.write(piece, piece.length);
    await peer.link.settle();
  }
  peer.session.destroy();
  await peer.link.settle();
  expect(peer.closed).toHaveLength(1);
  expect(peer.session.streamCount).toBe(0);
  for (const { recorder } of peer.streams.values()) {
    expect(recorder.log.filter((entry) => entry === 'close')).toHaveLength(1);
  }
}

describe('a yamux session', () => {
  test('survives any damage to its input, and closes at most once', async () => {
    const valid = fc.constant(Buffer.concat([someOfEverything, someOfEverything]));
    await fc.assert(
      fc.asyncProperty(damaged(valid), pieceSizes, async (bytes, sizes) => {
        await expectSound('server', bytes, sizes);
      }),
      { numRuns: 300 },
    );
  });
});

const describeRecorded = recordings.length > 0 ? describe : describe.skip;

describeRecorded('the recorded bytes of Gitaly (skipped without ../shared/recordings)', () => {
  for (const { name, fromClient, fromServer } of recordings) {
    test(`as the server: ${name}`, async () => {
      expect(fromClient.subarray(0, magicBytes).toString()).toBe('backchannel');
      const peer = createSession('server');
      const frames = fromClient.subarray(magicBytes);
      const expected = payloads(frames);
      peer.link.b.write(frames, frames.length);
      await peer.link.settle();
      expect(peer.session.closed).toBe(false);
      const first = peer.streams.get(1)?.recorder.bytes;
      expect(first).toEqual(expected.get(1));
      expect(first?.subarray(0, 16).toString('latin1')).toBe('PRI * HTTP/2.0\r\n');
      // What Gitaly answered to the same opening, with the same window.
      expect(peer.wire.bytes.subarray(0, 12)).toEqual(fromServer.subarray(0, 12));
    });

    test(`as the client: ${name}`, async () => {
      const peer = createSession('client');
      peer.adopt(peer.session.open());
      const expected = payloads(fromServer);
      peer.link.b.write(fromServer, fromServer.length);
      await peer.link.settle();
      expect(peer.session.closed).toBe(false);
      expect(new Set(peer.streams.keys())).toEqual(new Set(expected.keys()));
      for (const [id, { recorder }] of peer.streams) {
        expect(recorder.bytes).toEqual(expected.get(id));
      }
    });
  }

  test.each(['server', 'client'] as const)('do no harm when damaged, at a %s', async (role) => {
    const valid = recordings.map(({ fromClient, fromServer }) =>
      role === 'server' ? fromClient.subarray(magicBytes) : fromServer,
    );
    await fc.assert(
      fc.asyncProperty(damaged(fc.constantFrom(...valid)), pieceSizes, async (bytes, sizes) => {
        await expectSound(role, bytes, sizes);
      }),
      { numRuns: 100 },
    );
  });
});
