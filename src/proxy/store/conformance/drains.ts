import { describe, expect, test } from '@jest/globals';
import type { CallsLeft } from '../drain-board.ts';
import { race, useStores, type Harness } from './support.ts';

const oneFetch: CallsLeft = {
  class: 'fetch',
  count: 1,
  oldestMs: 1500,
  oldestRepository: '@hashed/ab/cd/abcd.git',
};

/** The promises of the board of drains. Each test has a virtual storage of its own: the data is shared. */
export function describeDrains(harness: Harness): void {
  const open = useStores(harness);

  async function setUp(virtualStorage: string) {
    const [{ drains }, { drains: others }] = [await open(), await open()];
    const storage = { virtualStorage, storage: 'gitaly-0' };
    const own = async () =>
      (await others.list()).filter((request) => request.virtualStorage === virtualStorage);
    const reports = async () => {
      const ids = new Set((await own()).map(({ id }) => id));
      return (await others.reports()).filter(({ id }) => ids.has(id));
    };
    return { drains, others, storage, own, reports };
  }

  describe('the board of drains', () => {
    test('shows every proxy what was asked for, in order', async () => {
      const { drains, storage, own } = await setUp('asked');
      expect(await own()).toEqual([]);
      await drains.request({
        ...storage,
        requester: 'operator',
        reason: 'a new image',
        graces: {},
      });
      await drains.request({
        ...storage,
        requester: 'anna',
        reason: 'a new disk',
        graces: { fetch: 60_000, push: 1 },
      });
      expect(await own()).toMatchObject([
        { ...storage, requester: 'operator', reason: 'a new image', graces: {} },
        {
          ...storage,
          requester: 'anna',
          reason: 'a new disk',
          graces: { fetch: 60_000, push: 1 },
        },
      ]);
      const [first, second] = await own();
      expect(first?.id).not.toBe(second?.id);
      expect(Math.abs((first?.requestedAtMs ?? 0) - Date.now())).toBeLessThan(3_600_000);
    });

    test('keeps one request of each requester, however often it asks', async () => {
      const { drains, others, storage, own } = await setUp('again');
      await drains.request({
        ...storage,
        requester: 'operator',
        reason: 'a new image',
        graces: {},
      });
      const [before] = await own();
      await race([await open(), await open()], 3, (store) =>
        store.drains.request({
          ...storage,
          requester: 'operator',
          reason: 'a newer image',
          graces: { unary: 1000 },
        }),
      );
      expect(await own()).toEqual([
        { ...before, reason: 'a newer image', graces: { unary: 1000 } },
      ]);
      await others.cancel(storage, 'anna');
      await others.cancel({ ...storage, storage: 'gitaly-1' }, 'operator');
      expect(await own()).toHaveLength(1);
      await others.cancel(storage, 'operator');
      await others.cancel(storage, 'operator');
      expect(await own()).toEqual([]);
    });

    test('shows what each proxy has reported last', async () => {
      const { drains, others, storage, own, reports } = await setUp('reported');
      await drains.request({
        ...storage,
        requester: 'operator',
        reason: 'a new image',
        graces: {},
      });
      const [{ id } = { id: 0n }] = await own();
      await drains.report('proxy-0', [{ id, calls: [oneFetch] }]);
      await others.report('proxy-1', [{ id, calls: [] }]);
      expect(await reports()).toEqual([
        { id, owner: 'proxy-0', calls: [oneFetch] },
        { id, owner: 'proxy-1', calls: [] },
      ]);
      await drains.report('proxy-0', [{ id, calls: [] }]);
      await drains.report('proxy-0', []);
      expect(await reports()).toEqual([
        { id, owner: 'proxy-0', calls: [] },
        { id, owner: 'proxy-1', calls: [] },
      ]);
    });

    test('does not take what was reported of an earlier request for a later one', async () => {
      const { drains, storage, own, reports } = await setUp('later');
      await drains.request({
        ...storage,
        requester: 'operator',
        reason: 'a new image',
        graces: {},
      });
      const [{ id } = { id: 0n }] = await own();
      await drains.report('proxy-0', [{ id, calls: [] }]);
      await drains.cancel(storage, 'operator');
      await drains.request({
        ...storage,
        requester: 'operator',
        reason: 'a newer image',
        graces: {},
      });
      expect(await reports()).toEqual([]);
      await drains.report('proxy-0', [{ id, calls: [] }]);
      expect(await reports()).toEqual([]);
      expect((await own())[0]?.id).not.toBe(id);
    });
  });
}
