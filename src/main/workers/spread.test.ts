import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { seededRandom } from '../../base/random.ts';
import { chooseWorker } from './spread.ts';

const worker = fc.record({
  isServing: fc.boolean(),
  isResponsive: fc.boolean(),
  connections: fc.nat({ max: 5 }),
});

describe('a new connection', () => {
  test('goes to a worker that serves, responds if any does, and has the fewest of those', () => {
    fc.assert(
      fc.property(fc.array(worker, { maxLength: 8 }), fc.integer(), (workers, seed) => {
        const chosen = chooseWorker(workers, seededRandom(seed));
        const serving = workers.filter(({ isServing }) => isServing);
        if (chosen === undefined) {
          expect(serving).toEqual([]);
          return;
        }
        expect(serving).toContain(chosen);
        const better = serving.filter(
          ({ isResponsive, connections }) =>
            (isResponsive && !chosen.isResponsive) ||
            (isResponsive === chosen.isResponsive && connections < chosen.connections),
        );
        expect(better).toEqual([]);
      }),
    );
  });

  test('goes to either of two equals', () => {
    const random = seededRandom(1);
    const workers = ['a', 'b'].map((name) => ({
      name,
      isServing: true,
      isResponsive: true,
      connections: 2,
    }));
    const chosen = Array.from({ length: 50 }, () => chooseWorker(workers, random)?.name);
    expect(new Set(chosen)).toEqual(new Set(['a', 'b']));
  });

  test('leaves workers with equal numbers, whatever closes meanwhile', () => {
    const random = seededRandom(2);
    const workers = [1, 2, 3].map(() => ({ isServing: true, isResponsive: true, connections: 0 }));
    for (let round = 0; round < 300; round++) {
      const chosen = chooseWorker(workers, random);
      if (chosen !== undefined) chosen.connections += 1;
      const closing = workers.find(({ connections }) => connections > 2);
      if (random.next() < 0.3 && closing !== undefined) closing.connections -= 1;
    }
    const counts = workers.map(({ connections }) => connections);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
  });
});
