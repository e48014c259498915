import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { StoreUnavailableError } from '../control-store.ts';
import { anyParts, change, create, newRecord, race, useStores, type Harness } from './support.ts';

/** The promises of single records: create, get, compare-and-swap, remove. */
export function describeRecords(harness: Harness): void {
  const open = useStores(harness);
  const openFour = () => Promise.all([open(), open(), open(), open()]);

  describe('ids', () => {
    test('are never given out twice, whoever asks', async () => {
      const ids = await race(await openFour(), 20, (store) => store.nextRepositoryId());
      expect(new Set(ids).size).toBe(80);
    });

    test('are not given out again after removal', async () => {
      const store = await open();
      const record = await create(store);
      await store.remove(record);
      expect(await store.nextRepositoryId()).not.toBe(record.id);
    });
  });

  describe('a record', () => {
    test('that does not exist is undefined', async () => {
      const store = await open();
      const id = await store.nextRepositoryId();
      expect(await store.getById(id)).toBeUndefined();
      expect(await store.get({ virtualStorage: 'default', relativePath: `${id}` })).toBeUndefined();
    });

    test('begins with version 1 and is found by id and by key', async () => {
      const [store, other] = await openFour();
      const wanted = await newRecord(store);
      expect(await store.create(wanted)).toEqual({
        kind: 'created',
        record: { ...wanted, version: 1n },
      });
      expect(await other.getById(wanted.id)).toEqual({ ...wanted, version: 1n });
      expect(await other.get(wanted)).toEqual({ ...wanted, version: 1n });
    });

    test('comes back as it was written, whatever it holds', async () => {
      const store = await open();
      const property = fc.asyncProperty(anyParts, anyParts, async (first, second) => {
        const created = await create(store, first);
        expect(await store.getById(created.id)).toEqual(created);
        const { barrier: _, ...bare } = created;
        const changed = await change(store, { ...bare, ...second });
        expect(changed).toEqual({ ...bare, ...second, version: 2n });
        expect(await store.get(created)).toEqual(changed);
      });
      await fc.assert(property, { numRuns: 50 });
    });

    test('with a path or an id that is taken is not created', async () => {
      const store = await open();
      const record = await create(store);
      const { relativePath } = record;
      expect(await store.create(await newRecord(store, { relativePath }))).toEqual({
        kind: 'exists',
      });
      const sameId = await newRecord(store, { id: record.id });
      expect(await store.create({ ...sameId, relativePath: 'elsewhere' })).toEqual({
        kind: 'exists',
      });
      expect(await store.getById(record.id)).toEqual(record);
    });

    test('may have the path of one in another virtual storage', async () => {
      const store = await open();
      const { relativePath } = await create(store);
      const twin = await create(store, { virtualStorage: 'other', relativePath });
      expect(await store.get({ virtualStorage: 'other', relativePath })).toEqual(twin);
    });

    test('is created once when many create it at the same time', async () => {
      const stores = await openFour();
      const relativePath = `raced-${await stores[0].nextRepositoryId()}`;
      const outcomes = await race(stores, 5, async (store) =>
        store.create(await newRecord(store, { relativePath })),
      );
      expect(outcomes.filter(({ kind }) => kind === 'created')).toHaveLength(1);
      expect(outcomes.filter(({ kind }) => kind === 'exists')).toHaveLength(19);
    });
  });

  describe('compareAndSwap', () => {
    test('replaces the record and counts its version on', async () => {
      const store = await open();
      const record = await create(store);
      const next = { ...record, epoch: 7n, primary: 'gitaly-1' };
      const record2 = { ...next, version: 2n };
      expect(await store.compareAndSwap(next)).toEqual({ kind: 'swapped', record: record2 });
      expect(await store.get(record)).toEqual(record2);
    });

    test('tells what is there when the version is another', async () => {
      const store = await open();
      const record = await create(store);
      const current = await change(store, { ...record, lsn: 1n });
      const stale = { kind: 'stale', current };
      expect(await store.compareAndSwap({ ...record, lsn: 9n })).toEqual(stale);
      expect(await store.compareAndSwap({ ...record, version: 3n })).toEqual(stale);
      expect(await store.getById(record.id)).toEqual(current);
    });

    test('tells that the record is gone', async () => {
      const store = await open();
      const record = await create(store);
      await store.remove(record);
      const gone = { kind: 'stale', current: undefined };
      expect(await store.compareAndSwap(record)).toEqual(gone);
      expect(await store.remove(record)).toEqual(gone);
      expect(await store.compareAndSwap({ ...record, version: 2n })).toEqual(gone);
    });

    test('lets exactly one of many win, and shows the winner to the others', async () => {
      const stores = await openFour();
      const record = await create(stores[0]);
      const outcomes = await race(stores, 10, (store, index) =>
        store.compareAndSwap({ ...record, lsn: BigInt(index) }),
      );
      const winner = await stores[0].getById(record.id);
      expect(winner?.version).toBe(2n);
      expect(outcomes.filter(({ kind }) => kind === 'swapped')).toEqual([
        { kind: 'swapped', record: winner },
      ]);
      const losers = outcomes.filter(({ kind }) => kind === 'stale');
      expect(losers).toEqual(losers.map(() => ({ kind: 'stale', current: winner })));
    });

    test('loses no update of many that are tried until they succeed', async () => {
      const stores = await openFour();
      const record = await create(stores[0]);
      await race(stores, 6, async (store) => {
        let current = record;
        for (;;) {
          const outcome = await store.compareAndSwap({ ...current, lsn: current.lsn + 1n });
          if (outcome.kind === 'swapped') return;
          if (outcome.current === undefined) throw new Error('the record is gone');
          current = outcome.current;
        }
      });
      expect(await stores[0].getById(record.id)).toMatchObject({ lsn: 24n, version: 25n });
    });

    test('can move a record to another path', async () => {
      const store = await open();
      const record = await create(store);
      const moved = await change(store, { ...record, relativePath: `moved-${record.id}` });
      expect(await store.get(record)).toBeUndefined();
      expect(await store.get(moved)).toEqual(moved);
      await create(store, { relativePath: record.relativePath });
    });

    test('rejects a move to a path that is taken, and changes nothing', async () => {
      const store = await open();
      const [record, other] = [await create(store), await create(store)];
      const clash = store.compareAndSwap({ ...record, relativePath: other.relativePath });
      await expect(clash).rejects.not.toBeInstanceOf(StoreUnavailableError);
      expect(await store.getById(record.id)).toEqual(record);
      expect(await store.get(other)).toEqual(other);
    });
  });

  describe('remove', () => {
    test('removes the record of that version, which counts as one more change', async () => {
      const store = await open();
      const record = await create(store);
      expect(await store.remove(record)).toEqual({
        kind: 'swapped',
        record: { ...record, version: 2n },
      });
      expect(await store.get(record)).toBeUndefined();
      expect(await store.getById(record.id)).toBeUndefined();
      await create(store, { relativePath: record.relativePath });
    });

    test('does nothing when the version is another', async () => {
      const store = await open();
      const record = await create(store);
      const current = await change(store, record);
      expect(await store.remove(record)).toEqual({ kind: 'stale', current });
      expect(await store.getById(record.id)).toEqual(current);
    });

    test('and a change at the same time: one of them wins', async () => {
      const [store, other] = await openFour();
      for (let round = 0; round < 10; round += 1) {
        const record = await create(store);
        const [removed, swapped] = await Promise.all([
          store.remove(record),
          other.compareAndSwap(record),
        ]);
        expect([removed.kind, swapped.kind].toSorted()).toEqual(['stale', 'swapped']);
        const left = await store.getById(record.id);
        expect(left === undefined).toBe(removed.kind === 'swapped');
      }
    });

    test('and creation of the same path at the same time: never two, never a mixture', async () => {
      const [store, other] = await openFour();
      for (let round = 0; round < 10; round += 1) {
        const old = await create(store);
        const successor = await newRecord(other, { relativePath: old.relativePath });
        const [, created] = await Promise.all([store.remove(old), other.create(successor)]);
        const found = await store.get(old);
        expect(found).toEqual(created.kind === 'created' ? created.record : undefined);
      }
    });
  });

  describe('a stopped store', () => {
    test('rejects every call, and may be stopped again', async () => {
      const store = await open();
      const record = await create(store);
      await store.stop();
      await store.stop();
      await expect(store.get(record)).rejects.toBeInstanceOf(StoreUnavailableError);
      await expect(store.compareAndSwap(record)).rejects.toBeInstanceOf(StoreUnavailableError);
      await expect(store.liveOwners()).rejects.toBeInstanceOf(StoreUnavailableError);
    });
  });
}
