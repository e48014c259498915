import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { damaged, inPieces, pieceSizes } from '../../../../test/support/damaged-bytes.ts';
import { ConnectionError } from './errors.ts';
import { FrameReader } from './frame-reader.ts';
import { clientPreface, defaultMaxFrameBytes, maxStreamId } from './frames.ts';
import { encodeFrame } from './testing.ts';

type Frame = readonly [type: number, flags: number, streamId: number, payload: string];

const frame = fc.tuple(
  fc.nat({ max: 255 }),
  fc.nat({ max: 255 }),
  fc.nat({ max: maxStreamId }),
  fc.oneof(
    { weight: 9, arbitrary: fc.uint8Array({ maxLength: 60 }).map((octets) => Buffer.from(octets)) },
    fc.integer({ min: 0, max: defaultMaxFrameBytes }).map((length) => Buffer.alloc(length, 'x')),
  ),
);
const frames = fc.array(frame, { maxLength: 8 });
const encoded = frames.map((list) =>
  Buffer.concat([clientPreface, ...list.map((parts) => encodeFrame(...parts))]),
);

/** Reads bytes as they come; `error` is what ended that. */
function read(pieces: readonly Buffer[]) {
  const found: Frame[] = [];
  const reader = new FrameReader(
    {
      onFrame: (bytes, start, end, type, flags, id) =>
        found.push([type, flags, id, bytes.toString('hex', start, end)]),
    },
    { expectPreface: true },
  );
  let error: unknown;
  for (const piece of pieces) {
    try {
      // What was read is overwritten, as sockets do.
      const chunk = Buffer.from(piece);
      reader.read(chunk);
      chunk.fill(0xee);
    } catch (thrown) {
      error = thrown;
      break;
    }
  }
  return { found, error };
}

describe('a reader of frames', () => {
  test('finds what was sent, however it is cut', () => {
    fc.assert(
      fc.property(frames, pieceSizes, (sent, sizes) => {
        const bytes = Buffer.concat([clientPreface, ...sent.map((parts) => encodeFrame(...parts))]);
        expect(read(inPieces(bytes, sizes))).toEqual({
          found: sent.map(([type, flags, id, payload]) => [
            type,
            flags,
            id,
            payload.toString('hex'),
          ]),
          error: undefined,
        });
      }),
    );
  });

  test('finds the same in damaged bytes however they are cut, or a ConnectionError', () => {
    fc.assert(
      fc.property(damaged(encoded), pieceSizes, (bytes, sizes) => {
        const whole = read([bytes]);
        const { found, error } = read(inPieces(bytes, sizes));
        expect(found).toEqual(whole.found);
        expect(error).toEqual(whole.error);
        if (error !== undefined) expect(error).toBeInstanceOf(ConnectionError);
        for (const [, , , payload] of found) {
          expect(payload.length / 2).toBeLessThanOrEqual(defaultMaxFrameBytes);
        }
      }),
      { numRuns: 500 },
    );
  });
});
