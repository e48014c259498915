import { describe, expect, test } from '@jest/globals';
import type { RepositoryRecord } from '../../routing/repository-record.ts';
import type { ControlStore } from '../control-store.ts';
import type { TakeQuery, VerificationTurn } from '../verification-queue.ts';
import { create, eventually, race, useStores, type Harness } from './support.ts';

/** Nothing has waited as long as that, but for what was marked. */
const longMs = 1e9;
const marked: TakeQuery = { intervalMs: longMs, leaseMs: longMs, limit: 100 };
/** It is everybody's turn at once. */
const anyone: TakeQuery = { intervalMs: 0, leaseMs: longMs, limit: 1000 };

/** The promises of the queue of verifications. Tests share the data: each looks for its own repositories. */
export function describeVerifications(harness: Harness): void {
  const open = useStores(harness);

  const createIn = async (store: ControlStore, count = 1) => {
    const virtualStorage = `virtual-${await store.nextRepositoryId()}`;
    const records: RepositoryRecord[] = [];
    for (let index = 0; index < count; index++) {
      records.push(await create(store, { virtualStorage }));
    }
    const [record] = records;
    if (record === undefined) throw new Error('there is no repository');
    return { virtualStorage, records, record };
  };
  const idsOf = (turns: readonly VerificationTurn[]) => turns.map(({ record }) => record.id);
  const mark = (store: ControlStore, { id }: RepositoryRecord) =>
    store.verifications.markUnverified({ kind: 'repository', id });
  /** Takes what is marked until one has been among it. */
  const takeOne = async (store: ControlStore, { id }: RepositoryRecord) => {
    const turns = await store.verifications.take(marked);
    const turn = turns.find(({ record }) => record.id === id);
    if (turn === undefined) throw new Error(`it is not the turn of ${id}`);
    return turn;
  };

  describe('verifications', () => {
    test('a new repository has its turn when the interval is over', async () => {
      const store = await open();
      const { record } = await createIn(store);
      expect(await store.verifications.get(record.id)).toEqual({});
      expect(idsOf(await store.verifications.take(marked))).not.toContain(record.id);
      await eventually(async () =>
        idsOf(await store.verifications.take(anyone)).includes(record.id),
      );
    });

    test('those marked come first, once, with their records, and each to one proxy', async () => {
      const stores = [await open(), await open()] as const;
      const { virtualStorage, records } = await createIn(stores[0], 6);
      const which = { kind: 'virtualStorage', virtualStorage } as const;
      expect(await stores[0].verifications.markUnverified(which)).toBe(18);
      const turns = await race(stores, 3, (store) =>
        store.verifications.take({ ...marked, limit: 2 }),
      );
      const own = turns.flat().filter(({ record }) => record.virtualStorage === virtualStorage);
      const all = [...own, ...(await stores[1].verifications.take(marked))].filter(
        ({ record }) => record.virtualStorage === virtualStorage,
      );
      expect(all.map(({ record }) => record).toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(
        records,
      );
      expect(turns.every((taken) => taken.length <= 2)).toBe(true);
    });

    test('a turn that nothing becomes of is over when its time is', async () => {
      const store = await open();
      const { record } = await createIn(store);
      await mark(store, record);
      const first = await store.verifications.take({ ...marked, leaseMs: 0 });
      expect(idsOf(first)).toContain(record.id);
      expect(idsOf(await store.verifications.take(marked))).toContain(record.id);
      expect(idsOf(await store.verifications.take(marked))).not.toContain(record.id);
    });

    test('one that was verified says so, and waits for the interval', async () => {
      const store = await open();
      const { record } = await createIn(store);
      await mark(store, record);
      const turn = await takeOne(store, record);
      expect(await store.verifications.end(turn, { kind: 'verified' })).toBe(true);
      expect(await store.verifications.get(record.id)).toEqual({
        verifiedAtMs: expect.any(Number),
      });
      expect(idsOf(await store.verifications.take(marked))).not.toContain(record.id);
      await eventually(async () =>
        idsOf(await store.verifications.take(anyone)).includes(record.id),
      );
    });

    test('one that is postponed keeps what was found until it is verified', async () => {
      const store = await open();
      const { record, virtualStorage } = await createIn(store);
      await mark(store, record);
      const counts = async () => ({
        ...(await store.verifications.countDue({ virtualStorage, intervalMs: longMs })),
        findings: await store.verifications.countFindings(virtualStorage),
      });
      expect(await counts()).toEqual({ findings: 0, unverified: 1, expired: 0 });
      const again = { kind: 'postponed', intervalMs: longMs, retryMs: 0 } as const;
      const finding = 'they differ';
      await store.verifications.end(await takeOne(store, record), { ...again, finding });
      expect(await store.verifications.get(record.id)).toEqual({ finding });
      expect(await counts()).toEqual({ findings: 1, unverified: 1, expired: 0 });
      const page = { virtualStorage, afterId: 0n, limit: 10 };
      expect(await store.verifications.findings(page)).toEqual([{ record, finding }]);
      expect(await store.verifications.findings({ ...page, afterId: record.id })).toEqual([]);
      await store.verifications.end(await takeOne(store, record), again);
      expect(await store.verifications.get(record.id)).toEqual({ finding });
      await store.verifications.end(await takeOne(store, record), { kind: 'verified' });
      expect(await store.verifications.get(record.id)).toEqual({
        verifiedAtMs: expect.any(Number),
      });
      expect(await counts()).toEqual({ findings: 0, unverified: 0, expired: 0 });
    });

    test('a turn that was taken away, by a mark too, does not end as verified', async () => {
      const store = await open();
      const { record } = await createIn(store);
      await mark(store, record);
      const turn = await takeOne(store, record);
      await mark(store, record);
      expect(await store.verifications.end(turn, { kind: 'verified' })).toBe(false);
      expect(await store.verifications.get(record.id)).toEqual({});
      const next = await takeOne(store, record);
      expect(await store.verifications.end(turn, { kind: 'verified' })).toBe(false);
      expect(await store.verifications.end(next, { kind: 'verified' })).toBe(true);
    });

    test('what was looked at out of turn ends too', async () => {
      const store = await open();
      const { record } = await createIn(store);
      await mark(store, record);
      expect(await store.verifications.end({ record }, { kind: 'verified' })).toBe(true);
      expect(await store.verifications.get(record.id)).toEqual({
        verifiedAtMs: expect.any(Number),
      });
    });

    test('one to be rechecked has one more turn when its time has come', async () => {
      const store = await open();
      const { record } = await createIn(store);
      await store.verifications.recheck(record.id, longMs);
      expect(idsOf(await store.verifications.take(marked))).not.toContain(record.id);
      await store.verifications.recheck(record.id, 0);
      expect(idsOf(await store.verifications.take(marked))).toContain(record.id);
      expect(idsOf(await store.verifications.take(marked))).not.toContain(record.id);
    });

    test('one that was verified too early is rechecked all the same', async () => {
      const store = await open();
      const { record } = await createIn(store);
      await store.verifications.recheck(record.id, 50);
      await store.verifications.end({ record }, { kind: 'verified' });
      await eventually(async () =>
        idsOf(await store.verifications.take(marked)).includes(record.id),
      );
    });

    test('one to be rechecked keeps its turns until then, and what was found', async () => {
      const store = await open();
      const { record } = await createIn(store);
      await mark(store, record);
      const finding = 'they differ';
      const again = { kind: 'postponed', intervalMs: longMs, retryMs: 0, finding } as const;
      await store.verifications.end(await takeOne(store, record), again);
      await store.verifications.recheck(record.id, longMs);
      expect(await store.verifications.get(record.id)).toEqual({ finding });
      const turn = await takeOne(store, record);
      await store.verifications.recheck(record.id, longMs);
      expect(await store.verifications.end(turn, again)).toBe(true);
      await store.verifications.recheck(record.id, 0);
      await takeOne(store, record);
      expect(await store.verifications.get(record.id)).toEqual({ finding });
    });

    test('a turn that lasts until the recheck does not end as verified', async () => {
      const store = await open();
      const { record } = await createIn(store);
      await mark(store, record);
      const turn = await takeOne(store, record);
      await store.verifications.recheck(record.id, 0);
      const next = await takeOne(store, record);
      expect(await store.verifications.end(turn, { kind: 'verified' })).toBe(false);
      expect(await store.verifications.end(next, { kind: 'verified' })).toBe(true);
    });

    test('marks those with a replica on a storage, and counts these replicas', async () => {
      const store = await open();
      const { record, virtualStorage } = await createIn(store);
      const elsewhere = await create(store, {
        virtualStorage,
        replicas: [{ storage: 'gitaly-9', lsn: 0n, role: 'voter' }],
        primary: 'gitaly-9',
      });
      const which = { kind: 'storage', virtualStorage, storage: 'gitaly-1' } as const;
      expect(await store.verifications.markUnverified(which)).toBe(1);
      const ids = idsOf(await store.verifications.take(marked));
      expect(ids).toContain(record.id);
      expect(ids).not.toContain(elsewhere.id);
    });

    test('a repository that is removed has no turn, and none that is open ends', async () => {
      const store = await open();
      const { record } = await createIn(store);
      await mark(store, record);
      const turn = await takeOne(store, record);
      await store.remove(record);
      expect(await store.verifications.end(turn, { kind: 'verified' })).toBe(false);
      expect(await store.verifications.get(record.id)).toBeUndefined();
      expect(await mark(store, record)).toBe(0);
      await store.verifications.recheck(record.id, 0);
      expect(idsOf(await store.verifications.take(marked))).not.toContain(record.id);
    });
  });
}
