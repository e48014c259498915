import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { SidebandReader, type SidebandPiece } from './sideband.ts';

function packet(band: number, payload: Buffer): Buffer {
  const length = (payload.length + 5).toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(length), Buffer.from([band]), payload]);
}

/** What comes out when the bytes arrive in chunks of the given sizes, then the rest. */
function read(bytes: Buffer, sizes: readonly number[]) {
  const reader = new SidebandReader();
  const pieces: SidebandPiece[] = [];
  let start = 0;
  for (const size of [...sizes, bytes.length]) {
    const result = reader.push(bytes.subarray(start, start + size));
    if (result.kind === 'invalid') return result;
    pieces.push(...result.pieces);
    start += size;
  }
  const text = (band: string) =>
    Buffer.concat(pieces.filter((piece) => piece.band === band).map(({ bytes }) => bytes));
  return { stdout: text('stdout'), stderr: text('stderr'), isComplete: reader.isComplete };
}

describe('a sideband stream', () => {
  test('is taken apart into stdout and stderr', () => {
    const bytes = Buffer.concat([
      packet(1, Buffer.from('pack')),
      Buffer.from('0000'),
      packet(2, Buffer.from('progress\n')),
      Buffer.from('0004'),
      packet(1, Buffer.from('')),
      packet(1, Buffer.from(' data')),
    ]);
    expect(read(bytes, [])).toEqual({
      stdout: Buffer.from('pack data'),
      stderr: Buffer.from('progress\n'),
      isComplete: true,
    });
  });

  test('comes out the same however it is cut', () => {
    const packets = fc.array(
      fc.record({ band: fc.constantFrom(1, 2), payload: fc.uint8Array({ maxLength: 300 }) }),
    );
    fc.assert(
      fc.property(packets, fc.array(fc.nat(200)), (list, sizes) => {
        const payloads = (wanted: number) =>
          Buffer.concat(list.filter(({ band }) => band === wanted).map(({ payload }) => payload));
        const bytes = Buffer.concat(
          list.map(({ band, payload }) => packet(band, Buffer.from(payload))),
        );
        expect(read(bytes, sizes)).toEqual({
          stdout: payloads(1),
          stderr: payloads(2),
          isComplete: true,
        });
      }),
    );
  });

  test.each([[1], [4], [5], [8]])(
    'is not complete after %d bytes of a packet of nine',
    (length) => {
      const bytes = packet(1, Buffer.from('pack')).subarray(0, length);
      expect(read(bytes, [])).toMatchObject({ isComplete: false });
    },
  );

  test.each([
    ['zzzz', '"zzzz" is no packet length'],
    ['0x05', '"0x05" is no packet length'],
    ['0003', 'a packet cannot have length 3'],
    ['0006\u0003a', 'the server used band 3, which has no meaning'],
  ])('is invalid if it holds %j', (text, message) => {
    expect(read(Buffer.from(text), [])).toEqual({ kind: 'invalid', message });
  });
});
