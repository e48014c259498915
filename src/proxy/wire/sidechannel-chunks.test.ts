import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { damaged, inPieces, pieceSizes } from '../../../test/support/damaged-bytes.ts';
import {
  type ChunkProgress,
  ChunkReader,
  encodeChunks,
  endChunk,
  maxChunkPayloadBytes,
} from './sidechannel-chunks.ts';

function read(pieces: readonly Buffer[]): { payload: Buffer; progress: ChunkProgress } {
  const payload: Buffer[] = [];
  const reader = new ChunkReader((part) => payload.push(Buffer.from(part)));
  let progress: ChunkProgress = { kind: 'more' };
  for (const piece of pieces) progress = reader.push(piece);
  return { payload: Buffer.concat(payload), progress };
}

describe('sidechannel chunks', () => {
  test('have the bytes of the wire', () => {
    const encoded = Buffer.concat([encodeChunks(Buffer.from('Hello')), endChunk]);
    expect(encoded.toString()).toBe('0009Hello0000');
    expect(encodeChunks(Buffer.alloc(0))).toHaveLength(0);
  });

  test('are at most 65520 bytes long', () => {
    const encoded = encodeChunks(Buffer.alloc(maxChunkPayloadBytes + 1));
    expect(encoded.toString('latin1', 0, 4)).toBe('fff0');
    expect(encoded.toString('latin1', 65_520, 65_524)).toBe('0005');
  });

  test('are read back however they are cut', () => {
    const data = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.array(data), fc.integer({ min: 1, max: 50 }), (parts, size) => {
        const payload = Buffer.concat(parts);
        const bytes = Buffer.concat([
          ...parts.map((part) => encodeChunks(Buffer.from(part))),
          endChunk,
        ]);
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
          bytes.subarray(index * size, (index + 1) * size),
        );
        expect(read(pieces)).toEqual({ payload, progress: { kind: 'ended' } });
      }),
    );
  });

  test('that are damaged give data or an error, the same however they are cut', () => {
    const valid = fc
      .array(fc.uint8Array({ maxLength: 300 }))
      .map((parts) =>
        Buffer.concat([...parts.map((part) => encodeChunks(Buffer.from(part))), endChunk]),
      );
    fc.assert(
      fc.property(damaged(valid), pieceSizes, (bytes, sizes) => {
        const whole = read([bytes]);
        expect(read(inPieces(bytes, sizes))).toEqual(whole);
        expect(whole.payload.length).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  test.each(['0001', '0002', '0003', 'fff1', 'ffff', '12 4', '+123', 'zzzz'])(
    'refuse the length %j',
    (text) => {
      expect(read([Buffer.from(text)]).progress).toEqual({
        kind: 'invalid',
        message: expect.stringContaining(text),
      });
    },
  );

  test('refuse what follows their end', () => {
    expect(read([Buffer.from('00000005a')]).progress.kind).toBe('invalid');
    expect(read([endChunk, Buffer.from('x')]).progress.kind).toBe('invalid');
  });

  test('are incomplete without their end', () => {
    const reader = new ChunkReader(() => {});
    reader.push(encodeChunks(Buffer.from('x')));
    expect(reader.finish()).toEqual({
      kind: 'invalid',
      message: expect.stringMatching(/stops before/),
    });
    const complete = new ChunkReader(() => {});
    complete.push(endChunk);
    expect(complete.finish()).toEqual({ kind: 'ended' });
  });
});
