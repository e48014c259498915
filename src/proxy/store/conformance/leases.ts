import { describe, expect, test } from '@jest/globals';
import { StoreUnavailableError, type ControlStore } from '../control-store.ts';
import {
  create,
  change,
  eventually,
  succeeds,
  useStores,
  WatchRecorder,
  type Harness,
} from './support.ts';

/** The promises of leases: who is alive, by the store's clock. */
export function describeLeases(harness: Harness): void {
  const open = useStores(harness);
  const openWatching = async () => {
    const store = await open();
    const recorder = new WatchRecorder();
    await store.watch(recorder);
    return { store, recorder };
  };
  const isLive = async (store: ControlStore, owner: string) =>
    (await store.liveOwners()).has(owner);

  describe('a lease', () => {
    test('is seen by every proxy until it is given up', async () => {
      const { store } = await openWatching();
      const other = await open();
      await store.renewLease({ owner: 'proxy-0', durationMs: 60_000 });
      const remainingMs = (await other.liveOwners()).get('proxy-0')?.remainingMs;
      expect(remainingMs).toBeGreaterThan(0);
      expect(remainingMs).toBeLessThanOrEqual(60_000);
      await store.releaseLease('proxy-0');
      expect(await isLive(other, 'proxy-0')).toBe(false);
      await store.releaseLease('proxy-0');
    });

    test('runs out by itself', async () => {
      const { store } = await openWatching();
      await store.renewLease({ owner: 'short', durationMs: 100 });
      await store.renewLease({ owner: 'long', durationMs: 60_000 });
      await eventually(async () => !(await isLive(store, 'short')));
      expect(await isLive(store, 'long')).toBe(true);
    });

    test('lasts as long as the last renewal says, also when that is shorter', async () => {
      const { store } = await openWatching();
      await store.renewLease({ owner: 'proxy-1', durationMs: 100 });
      await store.renewLease({ owner: 'proxy-1', durationMs: 60_000 });
      expect((await store.liveOwners()).get('proxy-1')?.remainingMs).toBeGreaterThan(1000);
      await store.renewLease({ owner: 'proxy-1', durationMs: 50 });
      expect((await store.liveOwners()).get('proxy-1')?.remainingMs ?? 0).toBeLessThanOrEqual(50);
    });

    test('cannot be taken by a proxy that hears nothing', async () => {
      const store = await open();
      const renewal = store.renewLease({ owner: 'deaf', durationMs: 60_000 });
      await expect(renewal).rejects.toBeInstanceOf(StoreUnavailableError);
      expect(await isLive(store, 'deaf')).toBe(false);
    });

    test('can be taken again after the connection was lost', async () => {
      const { store, recorder } = await openWatching();
      await harness.interrupt();
      await recorder.until(({ kind }) => kind === 'disconnected');
      await eventually(() => succeeds(store.renewLease({ owner: 'back', durationMs: 60_000 })));
      expect(recorder.events.map(({ kind }) => kind)).toEqual(['reset', 'disconnected', 'reset']);
      expect(await isLive(store, 'back')).toBe(true);
    });

    test('is not renewed before all is heard that happened until then', async () => {
      const { store, recorder } = await openWatching();
      const writer = await open();
      let record = await create(writer);
      for (let round = 0; round < 50; round += 1) {
        record = await change(writer, record);
        await store.renewLease({ owner: 'attentive', durationMs: 60_000 });
        expect(recorder.events.at(-1)).toEqual({ kind: 'changed', record });
      }
    });
  });
}
