import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { WholeLines } from './whole-lines.ts';

/** Cuts a text into pieces of bytes, at any place, in the middle of characters too. */
const cutText = fc
  .tuple(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.nat({ max: 400 })))
  .map(([lines, cuts]) => {
    const bytes = Buffer.from(lines.join('\n'));
    const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted(
      (a, b) => a - b,
    );
    const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
    return { bytes, pieces };
  });

describe('the output of a process', () => {
  test('is passed on in whole lines, however it was cut', () => {
    fc.assert(
      fc.property(cutText, ({ bytes, pieces }) => {
        const written: Buffer[] = [];
        const lines = new WholeLines((whole) => written.push(Buffer.from(whole)));
        for (const piece of pieces) lines.add(piece);
        lines.end();
        for (const whole of written) expect(whole.at(-1)).toBe(0x0a);
        const last = bytes.length === 0 || bytes.at(-1) === 0x0a ? '' : '\n';
        expect(Buffer.concat(written).toString()).toBe(`${bytes.toString()}${last}`);
      }),
    );
  });

  test('is cut where a line has no end, so that it does not fill the memory', () => {
    const written: number[] = [];
    const lines = new WholeLines((whole) => written.push(whole.length));
    for (let piece = 0; piece < 40; piece++) lines.add(Buffer.alloc(64 * 1024, 'x'));
    expect(written).toHaveLength(2);
  });
});
