import { describe, expect, it } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { pickWeighted, seededRandom } from './random.ts';

describe('a weighted choice', () => {
  const anyWeights = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 6 });

  it('takes each in proportion to its weight', () => {
    fc.assert(
      fc.property(anyWeights, fc.integer(), (weights, seed) => {
        const random = seededRandom(seed);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const counts = weights.map(() => 0);
        const rounds = 2000;
        for (let round = 0; round < rounds; round++) {
          const index = pickWeighted(random, [...weights.keys()], (it) => weights[it] ?? 0) ?? -1;
          counts[index] = (counts[index] ?? 0) + 1;
        }
        for (const [index, weight] of weights.entries()) {
          const share = total === 0 ? 1 / weights.length : weight / total;
          // Six times the standard deviation.
          const slack = 6 * Math.sqrt(rounds * share * (1 - share));
          expect(Math.abs((counts[index] ?? 0) - share * rounds)).toBeLessThanOrEqual(slack);
        }
      }),
    );
  });

  it('takes nothing from nothing', () => {
    expect(pickWeighted(seededRandom(1), [], () => 1)).toBeUndefined();
  });

  it('takes the last one for the greatest random number', () => {
    const random = { next: () => 1 - 2 ** -53 };
    expect(pickWeighted(random, ['a', 'b', 'c'], () => 0.1)).toBe('c');
  });
});
