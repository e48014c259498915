import { expect, test } from '@jest/globals';

import { fc } from '../support/properties.ts';
import { ReplicaTally, setsByStorage, type ReplicaSets } from './replica-sets.ts';

const storages = 6;

const sets: fc.Arbitrary<ReplicaSets> = fc
  .array(
    fc.record({
      members: fc.uniqueArray(fc.nat(storages - 1), { minLength: 3, maxLength: 3 }),
      repositories: fc.integer({ min: 1, max: 9 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((list) => ({
    replicas: 3,
    members: Uint16Array.from(list.flatMap(({ members }) => members)),
    repositories: Uint32Array.from(list, ({ repositories }) => repositories),
  }));

const changes = fc.array(fc.record({ storage: fc.nat(storages - 1), usable: fc.boolean() }), {
  maxLength: 20,
});

test('the tally is what counting anew after each change gives', () => {
  fc.assert(
    fc.property(sets, changes, (placed, steps) => {
      const tally = new ReplicaTally(placed, setsByStorage(placed, storages));
      const usable = Array.from({ length: storages }, () => true);
      for (const step of steps) {
        tally.set(step.storage, step.usable);
        usable[step.storage] = step.usable;
        const counted = Array.from(placed.repositories, (repositories, set) => {
          const members = placed.members.subarray(3 * set, 3 * set + 3);
          return { repositories, replicas: members.filter((one) => usable[one]).length };
        });
        expect(tally.lowest()).toBe(Math.min(...counted.map(({ replicas }) => replicas)));
        for (const count of [0, 1, 2, 3]) {
          const expected = counted
            .filter(({ replicas }) => replicas === count)
            .reduce((sum, { repositories }) => sum + repositories, 0);
          expect(tally.repositoriesWith(count)).toBe(expected);
        }
      }
    }),
  );
});
