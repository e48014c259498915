import { describe, expect, test } from '@jest/globals';
import {
  conflictsIn,
  largestByBruteForce,
  requestFor,
  storage,
  undisruptedRequest,
} from '../../../test/support/group-requests.ts';
import { fc } from '../../../test/support/properties.ts';
import { GroupSearch, searchBudget } from './group-search.ts';

/** Storages in a row, of which neighbours have a repository in common: every second one may go. */
const row = Array.from({ length: 9 }, (_, number) => storage(`gitaly-${number}`));
const common = row.slice(1).map((one, before) => ({
  on: [one, ...row.slice(before, before + 1)],
  repositories: 1,
  example: `${before}.git`,
}));
const conflicts = conflictsIn(requestFor(row, common));

describe('the search for the largest group', () => {
  test('finds it, however small the known one is', () => {
    const found = new GroupSearch(conflicts, row.length, searchBudget).largerThan([4]);
    expect(found?.toSorted()).toEqual([0, 2, 4, 6, 8]);
  });

  test('finds one in any small cluster', () => {
    fc.assert(
      fc.property(undisruptedRequest, (request) => {
        const conflicts = conflictsIn(request);
        const search = new GroupSearch(conflicts, conflicts.size, searchBudget);
        expect(search.largerThan([]) ?? []).toHaveLength(largestByBruteForce(request));
      }),
      { numRuns: 300 },
    );
  });

  test('finds nothing where the known one is the largest', () => {
    expect(
      new GroupSearch(conflicts, row.length, searchBudget).largerThan([0, 2, 4, 6, 8]),
    ).toBeUndefined();
  });

  test('stops where there is no more room', () => {
    expect(new GroupSearch(conflicts, 2, searchBudget).largerThan([])).toHaveLength(2);
    expect(new GroupSearch(conflicts, 2, searchBudget).largerThan([4, 6])).toBeUndefined();
  });

  test('stops where it has cost enough, with what it has found', () => {
    expect(new GroupSearch(conflicts, row.length, 0).largerThan([])).toBeUndefined();
    const found = new GroupSearch(conflicts, row.length, 20).largerThan([]) ?? [];
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThan(5);
  });
});
