import { expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { nodesOf, recordWith, replica } from '../../../test/support/repository-records.ts';
import type { NodeView } from '../routing/node-view.ts';
import { moveRefusal } from '../routing/replica-move.ts';
import type { Move, RepositoryRecord } from '../routing/repository-record.ts';
import { RebalancePlan, type StorageShare } from './rebalance-plan.ts';

const names = ['a', 'b', 'c', 'd', 'e', 'f'];

const anyStatus = fc.record({
  healthy: fc.constantFrom(true, true, true, false),
  isDraining: fc.constantFrom(false, false, false, true),
  isFull: fc.constantFrom(false, false, false, true),
  weight: fc.constantFrom(0, 50, 100, 100),
  zone: fc.constantFrom(undefined, 'x', 'y', 'z'),
});

const anyRepository = fc
  .tuple(
    fc.shuffledSubarray(names, { minLength: 1, maxLength: 4 }),
    fc.constantFrom(5n, 5n, 5n, 5n, 4n),
  )
  .map(([holders, last]) => {
    const [primary = ''] = holders;
    const replicas = holders.map((storage, index) => replica(storage, index === 0 ? 5n : last));
    return recordWith({ primary, replicas });
  });

const anyCluster = fc.record({
  statuses: fc.tuple(...names.map(() => anyStatus)),
  isUniform: fc.boolean(),
  capacities: fc.tuple(...names.map(() => fc.integer({ min: 1, max: 5 }))),
  records: fc.array(anyRepository, { maxLength: 40 }),
  replicationFactor: fc.integer({ min: 1, max: 3 }),
  tolerance: fc.constantFrom(0, 0.05, 0.5),
});

type ClusterCase = typeof anyCluster extends fc.Arbitrary<infer Case> ? Case : never;

function open({
  statuses,
  isUniform,
  capacities,
  records,
  replicationFactor,
  tolerance,
}: ClusterCase) {
  const unlike = Object.fromEntries(names.map((name, index) => [name, statuses[index] ?? {}]));
  const nodes = nodesOf(names, isUniform ? {} : unlike);
  const policy = { replicationFactor, minInSyncReplicas: 1 };
  const storages = names.map((storage, index) => ({
    storage,
    capacity: capacities[index] ?? 1,
    replicas: records.filter((record) => holdersOf(record).includes(storage)).length,
  }));
  const plan = new RebalancePlan({ storages, nodes, policy, tolerance });
  return { nodes, policy, storages, plan };
}

function holdersOf({ replicas }: RepositoryRecord): readonly string[] {
  return replicas.map(({ storage }) => storage);
}

function moved(record: RepositoryRecord, { from, to }: Move): RepositoryRecord {
  const replicas = record.replicas.map((each) =>
    each.storage === from ? replica(to, each.lsn) : each,
  );
  const primary = record.primary === from ? to : record.primary;
  return { ...record, primary, replicas };
}

function zonesOf(record: RepositoryRecord, nodes: NodeView): number {
  const zones = holdersOf(record).flatMap((storage) => nodes.get(storage)?.zone ?? []);
  return new Set(zones).size;
}

function imbalance(storages: readonly StorageShare[], plan: RebalancePlan): number {
  return storages.reduce((sum, { storage, capacity, replicas }) => {
    const now = plan.replicasOf(storage) ?? replicas;
    return sum + now ** 2 / capacity;
  }, 0);
}

it('each move may be made, keeps number and zones of the replicas, and lessens the imbalance', () => {
  fc.assert(
    fc.property(anyCluster, (cluster) => {
      const { nodes, policy, storages, plan } = open(cluster);
      for (const record of cluster.records) {
        const before = imbalance(storages, plan);
        const moves = plan.movesOf(record);
        let after = record;
        for (const move of moves) {
          expect(moveRefusal(after, move, nodes, policy)).toBeUndefined();
          after = moved(after, move);
        }
        expect(new Set(holdersOf(after)).size).toBe(record.replicas.length);
        expect(zonesOf(after, nodes)).toBeGreaterThanOrEqual(zonesOf(record, nodes));
        const change = imbalance(storages, plan) - before;
        expect(change < 0).toBe(moves.length > 0);
      }
    }),
  );
});

it('no storage both gives and takes, but where its zone has another average than all', () => {
  fc.assert(
    fc.property(anyCluster, (cluster) => {
      const { plan } = open({ ...cluster, isUniform: true });
      const moves = cluster.records.flatMap((record) => plan.movesOf(record));
      const givers = new Set(moves.map(({ from }) => from));
      for (const { to } of moves) expect(givers).not.toContain(to);
    }),
  );
});

it('the same repositories give the same plan', () => {
  fc.assert(
    fc.property(anyCluster, (cluster) => {
      const [first, second] = [open(cluster), open(cluster)].map(({ plan }) =>
        cluster.records.map((record) => plan.movesOf(record)),
      );
      expect(second).toEqual(first);
    }),
  );
});

it('a cluster is balanced after some plans, and then no more is planned', () => {
  fc.assert(
    fc.property(anyCluster, (cluster) => {
      let { records } = cluster;
      for (let round = 0; ; round++) {
        const { plan } = open({ ...cluster, records });
        const moves = records.map((record) => plan.movesOf(record));
        if (moves.flat().length === 0) break;
        expect(round).toBeLessThan(50);
        records = records.map((record, index) => (moves[index] ?? []).reduce(moved, record));
      }
    }),
  );
});
