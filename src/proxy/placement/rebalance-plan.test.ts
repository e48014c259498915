import { describe, expect, it } from '@jest/globals';
import { nodesOf, recordWith, replica } from '../../../test/support/repository-records.ts';
import type { NodeStatus } from '../routing/node-view.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { RebalancePlan } from './rebalance-plan.ts';

const policy = { replicationFactor: 3, minInSyncReplicas: 2 };

/** So many repositories on these storages, whose primaries take turns. */
function repositories(count: number, storages: readonly string[]): readonly RepositoryRecord[] {
  return Array.from({ length: count }, (_, index) =>
    recordWith({
      id: BigInt(index + 1),
      primary: storages[index % storages.length] ?? '',
      replicas: storages.map((storage) => replica(storage, 5n)),
    }),
  );
}

function planned(
  records: readonly RepositoryRecord[],
  storages: readonly string[],
  options: {
    readonly unlike?: Readonly<Record<string, Partial<NodeStatus>>>;
    readonly capacities?: Readonly<Record<string, number>>;
    readonly tolerance?: number;
  } = {},
) {
  const { unlike = {}, capacities = {}, tolerance = 0.05 } = options;
  const replicasOn = (storage: string) =>
    records.filter(({ replicas }) => replicas.some((each) => each.storage === storage)).length;
  const shares = storages.map((storage) => ({
    storage,
    replicas: replicasOn(storage),
    capacity: capacities[storage] ?? 1,
  }));
  const nodes = nodesOf(storages, unlike);
  const plan = new RebalancePlan({ storages: shares, nodes, policy, tolerance });
  const moves = records.map((record) => plan.movesOf(record));
  return {
    moves,
    count: moves.flat().length,
    after: storages.map((storage) => plan.replicasOf(storage)),
    isBalanced: plan.isBalanced,
  };
}

describe('a plan to rebalance', () => {
  it('gives new storages their share, with no move more than that takes', () => {
    const records = repositories(100, ['a', 'b', 'c']);
    const { after, count, isBalanced } = planned(records, ['a', 'b', 'c', 'd', 'e'], {
      tolerance: 0,
    });
    expect({ after, count, isBalanced }).toEqual({
      after: [60, 60, 60, 60, 60],
      count: 120,
      isBalanced: true,
    });
  });

  it('moves no primary as long as another replica will do', () => {
    const records = repositories(30, ['a', 'b', 'c']);
    const { moves } = planned(records, ['a', 'b', 'c', 'd']);
    expect(moves.flat()).not.toEqual([]);
    for (const [index, own] of moves.entries()) {
      for (const { from } of own) expect(from).not.toBe(records[index]?.primary);
    }
  });

  it('is empty where storages differ by less than the tolerance', () => {
    const records = [...repositories(100, ['a', 'b', 'c']), ...repositories(104, ['d', 'e', 'f'])];
    const all = ['a', 'b', 'c', 'd', 'e', 'f'];
    expect(planned(records, all, { tolerance: 0.05 })).toMatchObject({
      count: 0,
      isBalanced: true,
    });
    expect(planned(records, all, { tolerance: 0.01 })).toMatchObject({ isBalanced: true });
    expect(planned(records, all, { tolerance: 0.01 }).count).toBeGreaterThan(0);
  });

  it('goes by capacity', () => {
    const records = repositories(90, ['a', 'b', 'c']);
    const { after } = planned(records, ['a', 'b', 'c', 'd'], {
      capacities: { a: 1, b: 1, c: 1, d: 2 },
      tolerance: 0,
    });
    expect(after[3]).toBe(90);
    expect(after.slice(0, 3)).toEqual([60, 60, 60]);
  });

  it('evens a zone out, though others cannot be', () => {
    const unlike = {
      a: { zone: 'x' },
      b: { zone: 'y' },
      c: { zone: 'z' },
      d: { zone: 'z' },
    };
    const records = repositories(40, ['a', 'b', 'c']);
    const { after, isBalanced } = planned(records, ['a', 'b', 'c', 'd'], { unlike, tolerance: 0 });
    expect(after).toEqual([40, 40, 20, 20]);
    expect(isBalanced).toBe(false);
  });

  it('leaves storages alone that weigh nothing, and takes from full ones', () => {
    const records = repositories(40, ['a', 'b', 'c']);
    const all = ['a', 'b', 'c', 'd', 'e'];
    const byHand = planned(records, all, { unlike: { e: { weight: 0 }, a: { weight: 0 } } });
    expect(byHand.after).toEqual([undefined, 27, 27, 26, undefined]);
    const unlike = { a: { weight: 0, isFull: true }, e: { weight: 0, isFull: true } };
    const full = planned(records, all, { unlike });
    expect(full.after[0]).toBeLessThan(40);
    expect(full.after[4]).toBe(0);
  });

  it('is empty without storages and without repositories', () => {
    expect(planned([], [])).toMatchObject({ count: 0, isBalanced: true });
    expect(planned([], ['a', 'b'])).toMatchObject({ count: 0, isBalanced: true });
  });
});
