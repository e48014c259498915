import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { damaged, inPieces, pieceSizes } from '../../../../test/support/damaged-bytes.ts';
import { recordedConnections } from '../../../../test/support/recorded-bytes.ts';
import { headerField } from '../hpack/header-field.ts';
import { Encoder } from '../hpack/encoder.ts';
import { backchannelMagic } from '../magic.ts';
import { FrameReader as YamuxReader, frameType as yamuxType } from '../yamux/frames.ts';
import { errorCodes } from './errors.ts';
import { clientPreface, frameFlags, frameTypes } from './frames.ts';
import type { Role } from './settings.ts';
import {
  encodeFrame,
  okTrailers,
  requestHead,
  responseHead,
  sessionWithPeer,
  type PlainFields,
} from './testing.ts';

const { data, headers, priority, rstStream, settings, ping, goAway, windowUpdate, continuation } =
  frameTypes;
const { endHeaders, endStream, padded } = frameFlags;

/** A block without a state: no entry of a table is used or made. */
function block(plain: PlainFields): Buffer {
  const fields = plain.map(([name, value]) => headerField(name, value, true));
  const encoder = new Encoder();
  const target = Buffer.alloc(encoder.bound(fields));
  return Buffer.from(target.subarray(0, encoder.encode(fields, target, 0)));
}

const streamId = fc.constantFrom(0, 1, 1, 3, 3, 5, 7, 2, 0x7fff_ffff);
const someBlock = fc.constantFrom(
  block(requestHead),
  block(responseHead),
  block(okTrailers),
  block([...requestHead, ['x-large', 'x'.repeat(20_000)]]),
);
const uint32 = fc
  .oneof(fc.constantFrom(0, 1, 65_535, 0x7fff_ffff, 0xffff_ffff), fc.nat({ max: 100_000 }))
  .map((value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  });
const setting = fc
  .tuple(fc.nat({ max: 7 }), uint32)
  .map(([id, value]) => Buffer.concat([Buffer.from([0, id]), value]));
const bytesUpTo = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((octets) => Buffer.from(octets));

/** Frames as a peer must not send them: on wrong streams, at wrong times, of wrong lengths. */
const wrongFrame: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .tuple(streamId, someBlock, fc.boolean(), fc.boolean())
    .map(([id, bytes, ends, isLast]) =>
      encodeFrame(
        headers,
        (ends ? endHeaders : 0) | (isLast ? endStream : 0),
        id,
        bytes.subarray(0, 16_384),
      ),
    ),
  fc
    .tuple(streamId, someBlock, fc.boolean())
    .map(([id, bytes, ends]) =>
      encodeFrame(continuation, ends ? endHeaders : 0, id, bytes.subarray(0, 16_384)),
    ),
  fc
    .tuple(streamId, bytesUpTo(300), fc.constantFrom(0, endStream, padded))
    .map(([id, bytes, flags]) => encodeFrame(data, flags, id, bytes)),
  fc.tuple(streamId, uint32).map(([id, code]) => encodeFrame(rstStream, 0, id, code)),
  fc.tuple(streamId, uint32).map(([id, bytes]) => encodeFrame(windowUpdate, 0, id, bytes)),
  fc
    .tuple(fc.array(setting, { maxLength: 4 }), fc.constantFrom(0, 0, 0, 1))
    .map(([entries, flags]) => encodeFrame(settings, flags, 0, Buffer.concat(entries))),
  fc
    .tuple(fc.constantFrom(0, 1), bytesUpTo(9))
    .map(([flags, bytes]) => encodeFrame(ping, flags, 0, bytes)),
  fc
    .tuple(streamId, uint32)
    .map(([id, bytes]) => encodeFrame(priority, 0, id, Buffer.concat([bytes, Buffer.from([16])]))),
  fc.tuple(uint32, uint32).map((parts) => encodeFrame(goAway, 0, 0, Buffer.concat(parts))),
  fc
    .tuple(fc.nat({ max: 255 }), fc.nat({ max: 255 }), streamId, bytesUpTo(40))
    .map((parts) => encodeFrame(...parts)),
);

/** What a good peer does next, on a stream of its own choice. */
interface Step {
  readonly kind: 'head' | 'data' | 'trailers' | 'reset' | 'update' | 'ping' | 'settings';
  readonly pick: number;
  readonly isLast: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(
    ...(['head', 'head', 'head', 'data', 'data', 'data', 'data'] as const),
    ...(['trailers', 'reset', 'update', 'ping', 'settings'] as const),
  ),
  pick: fc.nat({ max: 1000 }),
  isLast: fc.boolean(),
});

/** A client opens streams one after the other; a server answers the two that there are. */
function encodeSteps(role: Role, steps: readonly (Step | Buffer)[]): Buffer {
  let opened = role === 'server' ? 0 : 2;
  const frames = steps.map((step) => {
    if (Buffer.isBuffer(step)) return step;
    const { kind, pick, isLast } = step;
    const isOpening = role === 'server' && kind === 'head';
    if (isOpening) opened += 1;
    const id = isOpening ? 2 * opened - 1 : 2 * (pick % Math.max(1, opened)) + 1;
    const end = isLast ? endStream : 0;
    switch (kind) {
      case 'head': {
        const head = role === 'server' ? requestHead : responseHead;
        return encodeFrame(headers, endHeaders | end, id, block(head));
      }
      case 'data':
        return encodeFrame(data, end, id, Buffer.alloc(pick, 'x'));
      case 'trailers':
        return encodeFrame(headers, endHeaders | endStream, id, block(okTrailers));
      case 'reset':
        return encodeFrame(rstStream, 0, id, Buffer.from([0, 0, 0, pick % 14]));
      case 'update':
        return encodeFrame(windowUpdate, 0, isLast ? id : 0, Buffer.from([0, 1, 0, 0]));
      case 'ping':
        return encodeFrame(ping, isLast ? 1 : 0, 0, Buffer.alloc(8));
      case 'settings':
        return encodeFrame(settings, 0, 0, Buffer.from([0, 4, 0, 0, pick >> 8, pick & 0xff]));
    }
  });
  const preface = role === 'server' ? [clientPreface] : [];
  return Buffer.concat([...preface, encodeFrame(settings, 0, 0, Buffer.alloc(0)), ...frames]);
}

/** A request of a client that takes frames a little larger than the usual ones. */
const largeFrameRequest = Buffer.concat([
  clientPreface,
  encodeFrame(settings, 0, 0, Buffer.from([0, 5, 0, 0, 0x40, 1])),
  encodeFrame(headers, endHeaders | endStream, 1, block(requestHead)),
]);

/** A connection of a peer that is good for the most part. */
const conversation = (role: Role) =>
  fc
    .array(fc.oneof({ weight: 30, arbitrary: step }, wrongFrame), { maxLength: 40 })
    .map((steps) => encodeSteps(role, steps));

/**
 * Plays bytes to a session, which answers what it is asked, and ends the connection.
 *
 * What the owners of streams are told is checked by the recorders, and what the session sends by its
 * peer's own parser: either would throw, and that would show as an internal error.
 */
async function play(role: Role, bytes: Buffer, sizes: readonly number[]) {
  const { turns, clock, harness, peer } = sessionWithPeer(role);
  harness.onRequest = (request) => {
    if (request.stream.id % 4 === 1) request.reply(Buffer.alloc(100_000));
  };
  const calls = role === 'client' ? [harness.request(), harness.request(false)] : [];
  for (const piece of inPieces(bytes, sizes)) {
    if (harness.session.state === 'closed') break;
    peer.raw(piece);
    turns.run();
  }
  const sentFrames = peer.frames.length;
  peer.end();
  turns.run();
  await clock.advance(60_000);
  turns.run();
  return { harness, peer, calls, sentFrames, clock };
}

type Played = Awaited<ReturnType<typeof play>>;

function expectSound({ harness, peer, calls, clock }: Played): void {
  expect(harness.ends).toHaveLength(1);
  expect(harness.session.activeStreams).toBe(0);
  expect(clock.pendingCount).toBe(0);
  expect(peer.goAways.map(({ code }) => code)).not.toContain(errorCodes.internalError);
  for (const { ended, aborts, stream } of [...harness.requests, ...calls]) {
    expect(stream.closed).toBe(true);
    expect(ended ? 0 : 1).toBeLessThanOrEqual(aborts.length + (stream.localEnded ? 1 : 0));
  }
}

describe.each(['server', 'client'] as const)('a session at a %s', (role) => {
  test('stays sound whatever frames come, and says little more than it is told', async () => {
    await fc.assert(
      fc.asyncProperty(conversation(role), pieceSizes, async (bytes, sizes) => {
        const played = await play(role, bytes, sizes);
        expectSound(played);
        // One answer a frame, and two frames for each call that it answers.
        const frames = bytes.length / 9;
        expect(played.sentFrames).toBeLessThan(100 + 2 * frames);
      }),
      { numRuns: 300 },
    );
  });

  test('stays sound whatever bytes come', async () => {
    await fc.assert(
      fc.asyncProperty(damaged(conversation(role)), pieceSizes, async (bytes, sizes) => {
        expectSound(await play(role, bytes, sizes));
      }),
      { numRuns: 300, examples: [[largeFrameRequest, [1]]] },
    );
  });
});

const recordings = recordedConnections();
const describeRecorded = recordings.length > 0 ? describe : describe.skip;

describeRecorded('the HTTP/2 of a real Gitaly (skipped without ../shared/recordings)', () => {
  /** What yamux carries on the stream that the client opens. */
  function ofFirstStream(bytes: Buffer): Buffer {
    const found: Buffer[] = [];
    let current = 0;
    const reader = new YamuxReader({
      onHeader(type, _flags, id) {
        current = type === yamuxType.data ? id : 0;
      },
      onPayload(chunk) {
        if (current === 1) found.push(Buffer.from(chunk));
      },
    });
    reader.push(bytes);
    return Buffer.concat(found);
  }
  const conversations = recordings.map(({ name, fromClient, fromServer }) => ({
    name,
    server: ofFirstStream(fromClient.subarray(backchannelMagic.length)),
    client: ofFirstStream(fromServer),
  }));

  test.each(conversations)('is understood: $name', async ({ server, client }) => {
    for (const [role, bytes] of [
      ['server', server],
      ['client', client],
    ] as const) {
      const played = await play(role, bytes, [bytes.length]);
      expectSound(played);
      expect(played.peer.goAways.filter(({ code }) => code !== 0)).toEqual([]);
    }
  });

  test.each(['server', 'client'] as const)('does no harm when damaged, at a %s', async (role) => {
    const valid = fc.constantFrom(...conversations.map((each) => each[role]));
    await fc.assert(
      fc.asyncProperty(damaged(valid), pieceSizes, async (bytes, sizes) => {
        expectSound(await play(role, bytes, sizes));
      }),
      { numRuns: 200 },
    );
  });
});
