import { describe, expect, it } from '@jest/globals';
import { fc } from '../support/properties.ts';
import { hashInputs } from './cache.ts';

const inputs = fc.dictionary(fc.string(), fc.string());

describe('the key of inputs', () => {
  it('does not depend on the order in which they are named', () => {
    fc.assert(
      fc.property(inputs, (named) => {
        const reversed = Object.fromEntries(Object.entries(named).toReversed());
        expect(hashInputs(reversed)).toBe(hashInputs(named));
      }),
    );
  });

  it('changes with any name or content', () => {
    fc.assert(
      fc.property(inputs, inputs, (one, other) => {
        const same = JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
        expect(hashInputs(one) === hashInputs(other)).toBe(same);
      }),
    );
  });

  it('changes when text moves from one input to the next', () => {
    expect(hashInputs({ a: 'xy', b: 'z' })).not.toBe(hashInputs({ a: 'x', b: 'yz' }));
    expect(hashInputs({ ab: 'c' })).not.toBe(hashInputs({ a: 'bc' }));
  });

  it('is the same for text and for its bytes', () => {
    expect(hashInputs({ file: Buffer.from('ü') })).toBe(hashInputs({ file: 'ü' }));
  });
});

function sorted(named: Record<string, string>): readonly (readonly [string, string])[] {
  return Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1));
}
