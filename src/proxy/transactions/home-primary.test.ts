import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { anyRecord, recordWith, replica } from '../../../test/support/repository-records.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import { homeOf, withPrimaryAtHome } from './home-primary.ts';
import { movePrimary } from './record-changes.ts';

const storages = ['a', 'b', 'c'];
const repositories = Array.from({ length: 3000 }, (_, index) =>
  recordWith({ id: BigInt(index + 1), primary: storages[index % 3] ?? '' }),
);

function sharesOf(records: readonly RepositoryRecord[]): number[] {
  return storages.map((storage) => records.filter(({ primary }) => primary === storage).length);
}

describe('the home of a primary', () => {
  it('is each storage for its share of the repositories', () => {
    const atHome = repositories.map((record) => ({ ...record, primary: homeOf(record) ?? '' }));
    for (const share of sharesOf(atHome)) expect(Math.abs(share - 1000)).toBeLessThan(150);
  });

  it('is no storage that the repository leaves', () => {
    const replicas = [replica('a', 5n), replica('b', 5n, 'leaving'), replica('c', 5n, 'leaving')];
    for (const { id } of repositories) expect(homeOf(recordWith({ id, replicas }))).toBe('a');
  });
});

describe('a storage that was away', () => {
  it('has its share of the primaries again when it was repaired', () => {
    const failedOver = repositories.map((record) => {
      if (record.primary !== 'a') return record;
      const moved = movePrimary(record, Number(record.id) % 2 === 0 ? 'b' : 'c');
      if (moved.kind === 'refuse') throw new Error(moved.reason);
      return moved.next;
    });
    expect(sharesOf(failedOver)[0]).toBe(0);
    const repaired = failedOver.map((record) => withPrimaryAtHome(record, 'a'));
    for (const share of sharesOf(repaired)) expect(Math.abs(share - 1000)).toBeLessThan(200);
  });

  it('leads only where it is in sync, and in a new epoch', () => {
    fc.assert(
      fc.property(anyRecord, fc.constantFrom(...storages), (record, storage) => {
        const after = withPrimaryAtHome(record, storage);
        if (after.primary === record.primary) {
          expect(after).toBe(record);
          return;
        }
        expect(after).toEqual({ ...record, primary: storage, epoch: record.epoch + 1n });
        expect(inSyncVoters(record)).toContain(storage);
      }),
    );
  });
});
