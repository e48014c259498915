import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import {
  inSyncVoters,
  type Replica,
  type RepositoryRecord,
} from '../../routing/repository-record.ts';
import type { ControlStore, ListQuery, StoreSummary, SummaryQuery } from '../control-store.ts';
import { countInSync, encodePlacement, placementOf } from '../placement.ts';
import { anyParts, change, create, useStores, type Harness } from './support.ts';

/** The promises of what is asked about many records: pages and sums. */
export function describeListing(harness: Harness): void {
  const open = useStores(harness);

  /** A virtual storage that nobody else uses. */
  const freshName = async (store: ControlStore) => `virtual-${await store.nextRepositoryId()}`;

  describe('getMany', () => {
    test('gives those that there are', async () => {
      const store = await open();
      const records = [await create(store), await create(store)];
      await create(store);
      const none = await store.nextRepositoryId();
      const ids = records.map(({ id }) => id);
      const found = await store.getMany([...ids, none]);
      expect(found.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(records);
      expect(await store.getMany([])).toEqual([]);
    });
  });

  describe('list', () => {
    test('gives pages in ascending order of id, of one virtual storage', async () => {
      const store = await open();
      const virtualStorage = await freshName(store);
      const records: RepositoryRecord[] = [];
      for (let index = 0; index < 7; index += 1) {
        records.push(await create(store, { virtualStorage }));
        await create(store);
      }
      const last = records.at(-1);
      expect(await store.list({ virtualStorage, limit: 1000 })).toEqual(records);
      expect(await store.list({ virtualStorage, limit: 3 })).toEqual(records.slice(0, 3));
      const page = { virtualStorage, afterId: records[2]?.id ?? 0n, limit: 3 };
      expect(await store.list(page)).toEqual(records.slice(3, 6));
      expect(await store.list({ virtualStorage, afterId: last?.id ?? 0n, limit: 3 })).toEqual([]);
    });

    test('gives records of all virtual storages when none is named', async () => {
      const store = await open();
      const before = await store.nextRepositoryId();
      const records = [
        await create(store, { virtualStorage: await freshName(store) }),
        await create(store, { virtualStorage: await freshName(store) }),
      ];
      expect(await store.list({ afterId: before, limit: 10 })).toEqual(records);
    });

    test.each([0, -1, 1001, 1.5, Number.NaN])('refuses a page of %p records', async (limit) => {
      const store = await open();
      await expect(store.list({ limit })).rejects.toThrow(RangeError);
    });

    test('gives a record as unsettled from its first intent to its last', async () => {
      const store = await open();
      const virtualStorage = await freshName(store);
      const unsettled = () => store.list({ virtualStorage, onlyUnsettled: true, limit: 10 });
      const intent = { owner: 'proxy-0', kind: 'write', epoch: 1n, voters: [] } as const;
      let record = await create(store, { virtualStorage });
      for (const transactions of [['a'], ['a', 'b'], ['b'], [], ['c'], []]) {
        const intents = transactions.map((transaction) => ({ transaction, ...intent }));
        record = await change(store, { ...record, intents });
        expect(await unsettled()).toEqual(transactions.length > 0 ? [record] : []);
      }
    });

    test('gives exactly the unsettled records if asked, through all their changes', async () => {
      const store = await open();
      const story = fc.array(fc.tuple(anyParts, fc.option(anyParts), fc.boolean()), {
        maxLength: 8,
      });
      const property = fc.asyncProperty(story, async (chapters) => {
        const virtualStorage = await freshName(store);
        const left: RepositoryRecord[] = [];
        for (const [parts, newParts, isRemoved] of chapters) {
          let record = await create(store, { ...parts, virtualStorage });
          const { barrier: _, ...bare } = record;
          if (newParts !== null) record = await change(store, { ...bare, ...newParts });
          if (isRemoved) await store.remove(record);
          else left.push(record);
        }
        const unsettled = left.filter(isUnsettled);
        const query: ListQuery = { virtualStorage, onlyUnsettled: true, limit: 1000 };
        expect(await store.list(query)).toEqual(unsettled);
        const [first, ...rest] = unsettled;
        if (first !== undefined) {
          expect(await store.list({ ...query, afterId: first.id, limit: 2 })).toEqual(
            rest.slice(0, 2),
          );
        }
      });
      await fc.assert(property, { numRuns: 40 });
    });
  });

  describe('placements', () => {
    test('gives each that records have once, and their pages together all that are behind', async () => {
      const store = await open();
      const story = fc.array(fc.tuple(anyParts, fc.option(anyParts), fc.boolean()), {
        maxLength: 8,
      });
      const property = fc.asyncProperty(story, async (chapters) => {
        const virtualStorage = await freshName(store);
        const left: RepositoryRecord[] = [];
        for (const [parts, newParts, isRemoved] of chapters) {
          await create(store, { ...parts, virtualStorage: `other-${virtualStorage}` });
          let record = await create(store, { ...parts, virtualStorage });
          const { barrier: _, ...bare } = record;
          if (newParts !== null) record = await change(store, { ...bare, ...newParts });
          if (isRemoved) await store.remove(record);
          else left.push(record);
        }
        const all = await store.placements({ virtualStorage, limit: 1000 });
        expect(new Set(all.map(encodePlacement))).toEqual(textsOf(left));
        const behind = left.filter(
          (record) => inSyncVoters(record).length < record.replicas.length,
        );
        const urgent = await store.placements({ virtualStorage, onlyBehind: true, limit: 1000 });
        expect(new Set(urgent.map(encodePlacement))).toEqual(textsOf(behind));
        expect(urgent).toHaveLength(textsOf(behind).size);
        const counts = urgent.map(countInSync);
        expect(counts).toEqual(counts.toSorted((a, b) => a - b));
        const pages = urgent.map((behindAs) => store.list({ virtualStorage, behindAs, limit: 10 }));
        const found = (await Promise.all(pages)).flat();
        expect(found.toSorted((a, b) => Number(a.id - b.id))).toEqual(behind);
      });
      await fc.assert(property, { numRuns: 40 });
    });

    test('have pages in ascending order of id', async () => {
      const store = await open();
      const virtualStorage = await freshName(store);
      const replicas = [replicaOf('a', 1n), replicaOf('b', 0n)];
      const parts = { virtualStorage, primary: 'a', lsn: 1n, replicas };
      const first = await create(store, parts);
      const records = [first];
      for (let index = 1; index < 5; index += 1) records.push(await create(store, parts));
      await create(store, { ...parts, primary: 'b' });
      const behindAs = placementOf(first);
      const page = (afterId: bigint) => store.list({ virtualStorage, behindAs, afterId, limit: 2 });
      expect(await page(0n)).toEqual(records.slice(0, 2));
      expect(await page(records[1]?.id ?? 0n)).toEqual(records.slice(2, 4));
      expect(await page(records[3]?.id ?? 0n)).toEqual(records.slice(4));
    });

    test('are at most so many, and none where nothing is', async () => {
      const store = await open();
      const virtualStorage = await freshName(store);
      expect(await store.placements({ virtualStorage, limit: 1 })).toEqual([]);
      await create(store, { virtualStorage, primary: 'a' });
      await create(store, { virtualStorage, primary: 'b' });
      expect(await store.placements({ virtualStorage, limit: 1 })).toHaveLength(1);
      expect(await store.placements({ virtualStorage, onlyBehind: true, limit: 1 })).toEqual([]);
    });
  });

  describe('summarize', () => {
    test('counts nothing where nothing is', async () => {
      const store = await open();
      const query = { virtualStorage: 'empty', replicationFactor: 3, minInSyncReplicas: 2 };
      expect(await store.summarize(query)).toEqual({
        repositories: 0,
        fullyReplicated: 0,
        degraded: 0,
        atRisk: 0,
        unavailable: 0,
        storages: new Map(),
        placements: [],
      });
    });

    test('counts as one by one, whatever the records hold', async () => {
      const store = await open();
      const limits = fc.record({
        replicationFactor: fc.integer({ min: 1, max: 4 }),
        minInSyncReplicas: fc.integer({ min: 1, max: 3 }),
      });
      const property = fc.asyncProperty(fc.array(anyParts), limits, async (many, limits) => {
        const virtualStorage = await freshName(store);
        await create(store, { virtualStorage: await freshName(store) });
        const records: RepositoryRecord[] = [];
        for (const parts of many) records.push(await create(store, { ...parts, virtualStorage }));
        const query = { virtualStorage, ...limits };
        const { placements, ...sums } = await store.summarize(query);
        expect(sums).toEqual(countOneByOne(records, query));
        const counted = new Map<string, number>();
        for (const { placement, repositories } of placements) {
          const text = encodePlacement(placement);
          counted.set(text, (counted.get(text) ?? 0) + repositories);
        }
        expect(new Set(counted.keys())).toEqual(textsOf(records));
        expect([...counted.values()].reduce((sum, count) => sum + count, 0)).toBe(records.length);
      });
      await fc.assert(property, { numRuns: 40 });
    });

    test('tells what nobody misses: replicas that leave, and that are to replace others', async () => {
      const store = await open();
      const virtualStorage = await freshName(store);
      const query = { virtualStorage, replicationFactor: 2, minInSyncReplicas: 1 };
      const replicas: Replica[] = [
        { storage: 'a', lsn: 5n, role: 'voter' },
        { storage: 'b', lsn: 5n, role: 'voter' },
        { storage: 'c', lsn: -1n, role: 'learner', replaces: 'b' },
        { storage: 'd', lsn: 5n, role: 'leaving' },
        { storage: 'e', lsn: 4n, role: 'voter' },
      ];
      const record = await create(store, { virtualStorage, lsn: 5n, primary: 'a', replicas });
      const moving = async () => {
        const { storages } = await store.summarize(query);
        return Object.fromEntries([...storages].map(([name, sum]) => [name, sum.moving]));
      };
      expect(await moving()).toEqual({ a: 0, b: 0, c: 1, d: 1, e: 0 });
      const copied: Replica[] = [
        { storage: 'a', lsn: 5n, role: 'voter' },
        { storage: 'b', lsn: 5n, role: 'voter' },
        { storage: 'c', lsn: 5n, role: 'voter', replaces: 'b' },
      ];
      await change(store, { ...record, replicas: copied });
      expect(await moving()).toEqual({ a: 0, b: 0, c: 0 });
      const list = { virtualStorage, onlyUnsettled: true, limit: 10 };
      expect(await store.list(list)).toMatchObject([{ replicas: copied }]);
    });

    test('follows every change', async () => {
      const store = await open();
      const virtualStorage = await freshName(store);
      const query = { virtualStorage, replicationFactor: 3, minInSyncReplicas: 2 };
      const counts = async () => {
        const {
          storages: _,
          repositories: __,
          placements: ___,
          ...sums
        } = await store.summarize(query);
        return Object.entries(sums).flatMap(([name, count]) => (count > 0 ? [name] : []));
      };
      let record = await create(store, { virtualStorage });
      expect(await counts()).toEqual(['fullyReplicated']);
      for (const [inSync, expected] of [
        [2, 'degraded'],
        [1, 'atRisk'],
        [0, 'unavailable'],
      ] as const) {
        const lsn = record.lsn + 1n;
        const replicas = record.replicas.map((replica, position) =>
          position < inSync ? { storage: replica.storage, role: replica.role, lsn } : replica,
        );
        record = await change(store, { ...record, lsn, replicas });
        expect(await counts()).toEqual([expected]);
      }
      await store.remove(record);
      expect(await counts()).toEqual([]);
    });
  });
}

function replicaOf(storage: string, lsn: bigint): Replica {
  return { storage, lsn, role: 'voter' };
}

function textsOf(records: readonly RepositoryRecord[]): ReadonlySet<string> {
  return new Set(records.map((record) => encodePlacement(placementOf(record))));
}

/** The rules once more, as plainly as can be. */
function countOneByOne(
  records: readonly RepositoryRecord[],
  query: SummaryQuery,
): Omit<StoreSummary, 'placements'> {
  const summary = { fullyReplicated: 0, degraded: 0, atRisk: 0, unavailable: 0 };
  type Sum = { replicas: number; inSync: number; primaries: number; moving: number };
  const storages = new Map<string, Sum>();
  for (const record of records) {
    let voters = 0;
    for (const replica of record.replicas) {
      const sum = storages.get(replica.storage) ?? {
        replicas: 0,
        inSync: 0,
        primaries: 0,
        moving: 0,
      };
      storages.set(replica.storage, sum);
      sum.replicas += 1;
      if (record.primary === replica.storage) sum.primaries += 1;
      if (replica.role === 'leaving') sum.moving += 1;
      if (replica.lsn !== record.lsn || replica.role === 'leaving') continue;
      sum.inSync += 1;
      if (replica.role === 'voter') voters += 1;
    }
    if (voters === 0) summary.unavailable += 1;
    else if (voters >= query.replicationFactor) summary.fullyReplicated += 1;
    else if (voters >= query.minInSyncReplicas) summary.degraded += 1;
    else summary.atRisk += 1;
  }
  return { repositories: records.length, ...summary, storages };
}

function isUnsettled({ lsn, replicas, intents, barrier }: RepositoryRecord): boolean {
  const allInSync = replicas.every((it) => it.lsn === lsn && it.role !== 'leaving');
  return !allInSync || intents.length > 0 || barrier !== undefined;
}
