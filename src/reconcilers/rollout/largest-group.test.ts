import { describe, expect, test } from '@jest/globals';
import {
  conflictsIn,
  onePair,
  onePerZone,
  requestFor,
  storage,
  undisruptedRequest,
} from '../../../test/support/group-requests.ts';
import { fc } from '../../../test/support/properties.ts';
import { largestGroup } from './largest-group.ts';
import { Selection } from './selection.ts';

const noSearch = 0;

describe('without a search through all groups', () => {
  test('no fewer go than Turán has it, where each two storages may be in conflict', () => {
    fc.assert(
      fc.property(onePair, (request) => {
        const conflicts = conflictsIn(request);
        const { candidates, pairs, size } = conflicts;
        const degreeOf = (one: number) =>
          candidates.filter((other) => pairs[one * size + other] === 1).length;
        const bound = candidates.reduce((sum, one) => sum + 1 / (1 + degreeOf(one)), 0);
        const group = largestGroup(conflicts, [candidates], candidates.length, noSearch);
        // Sums of fractions are not exact.
        expect(group.length).toBeGreaterThanOrEqual(bound - 1e-9);
      }),
    );
  });

  test('the largest zone goes, where each repository has one replica in each', () => {
    fc.assert(
      fc.property(onePerZone, (request) => {
        const conflicts = conflictsIn(request);
        const parts = ['a', 'b', 'c'].map((zone) =>
          conflicts.candidates.filter((index) => request.storages[index]?.zone === zone),
        );
        const group = largestGroup(conflicts, parts, conflicts.size, noSearch);
        expect(group).toHaveLength(Math.max(...parts.map(({ length }) => length)));
      }),
    );
  });

  test('nothing more may join, in any small cluster, and the same part twice changes nothing', () => {
    fc.assert(
      fc.property(undisruptedRequest, fc.nat(5), (request, cut) => {
        const conflicts = conflictsIn(request);
        const { candidates, size } = conflicts;
        const part = candidates.slice(cut);
        const group = largestGroup(conflicts, [part], size, noSearch);
        const selection = new Selection(conflicts);
        for (const candidate of group) {
          expect(selection.isOpen(candidate)).toBe(true);
          selection.add(candidate);
        }
        expect(candidates.filter((candidate) => selection.isOpen(candidate))).toEqual([]);
        expect(largestGroup(conflicts, [part, part], size, noSearch)).toEqual(group);
      }),
    );
  });

  test('no more go than there is room for, the preferred first', () => {
    fc.assert(
      fc.property(undisruptedRequest, (request) => {
        const conflicts = conflictsIn(request);
        const one = largestGroup(conflicts, [conflicts.candidates], 1, noSearch);
        expect(one).toEqual(conflicts.candidates.slice(0, 1));
        expect(largestGroup(conflicts, [conflicts.candidates], 0, noSearch)).toEqual([]);
      }),
    );
  });
});

test('the search finds a group that is larger than what the first ways find', () => {
  const storages = Array.from({ length: 6 }, (_, number) => storage(`gitaly-${number}`));
  const pairs = ['02', '03', '13', '14', '15', '25', '45'];
  const sets = pairs.map((pair) => ({
    on: storages.filter((_, number) => pair.includes(String(number))),
    repositories: 1,
    example: `${pair}.git`,
  }));
  const conflicts = conflictsIn(requestFor(storages, sets));
  const { candidates, size } = conflicts;
  expect(largestGroup(conflicts, [candidates], size, noSearch)).toHaveLength(2);
  const searched = new Set(largestGroup(conflicts, [candidates], size));
  expect(searched).toEqual(new Set([2, 3, 4]));
});
