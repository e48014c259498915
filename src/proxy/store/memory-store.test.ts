import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { systemClock } from '../../base/clock.ts';
import { change, create, newRecord, WatchRecorder } from './conformance/support.ts';
import { describeControlStore } from './control-store.conformance.ts';
import { StoreUnavailableError, type CreateOutcome } from './control-store.ts';
import { MemoryDatabase } from './memory-database.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';

const database = new MemoryDatabase({ clock: systemClock });
const stores: MemoryStore[] = [];

describeControlStore('the memory store', {
  async open() {
    const store = createMemoryStore({ clock: systemClock, database });
    stores.push(store);
    return store;
  },
  async interrupt() {
    for (const store of stores) {
      store.disconnect();
      store.reconnect();
    }
  },
});

describe('the memory store', () => {
  const setUp = async (delays: { request?: number; answer?: number; announcement?: number }) => {
    const clock = new ManualClock();
    const database = new MemoryDatabase({ clock });
    const delayMs = (message: keyof typeof delays) => delays[message] ?? 0;
    const store = createMemoryStore({ clock, database, delayMs });
    const other = createMemoryStore({ clock, database });
    const recorder = new WatchRecorder();
    const watching = store.watch(recorder);
    await clock.advance(1000);
    await watching;
    return { clock, store, other, recorder };
  };

  test('makes a change when the request arrives and tells when the answer does', async () => {
    const { clock, store, other } = await setUp({ request: 10, answer: 5 });
    const record = await newRecord(other);
    let outcome: CreateOutcome | undefined;
    void store.create(record).then((it) => (outcome = it));
    await clock.advance(9);
    expect(await other.getById(record.id)).toBeUndefined();
    await clock.advance(1);
    expect(await other.getById(record.id)).toBeDefined();
    expect(outcome).toBeUndefined();
    await clock.advance(5);
    expect(outcome?.kind).toBe('created');
  });

  test('keeps announcements in order, however long each is under way', async () => {
    const delays = { announcement: 30 };
    const { clock, other, recorder } = await setUp(delays);
    const first = await create(other);
    delays.announcement = 1;
    await change(other, first);
    await clock.advance(29);
    expect(recorder.of(first.id)).toEqual([]);
    await clock.advance(1);
    expect(recorder.of(first.id)).toMatchObject([
      { record: { version: 1n } },
      { record: { version: 2n } },
    ]);
  });

  test('has not made a change that is cut off before it arrives', async () => {
    const { clock, store, other } = await setUp({ request: 10 });
    const record = await newRecord(other);
    const rejected = expectUnavailable(store.create(record));
    await clock.advance(5);
    store.disconnect();
    store.reconnect();
    await clock.advance(100);
    await rejected;
    expect(await other.getById(record.id)).toBeUndefined();
  });

  test('has made a change whose answer is cut off', async () => {
    const { clock, store, other } = await setUp({ answer: 10 });
    const record = await newRecord(other);
    const rejected = expectUnavailable(store.create(record));
    await clock.advance(5);
    store.disconnect();
    await clock.advance(100);
    await rejected;
    expect(await other.getById(record.id)).toBeDefined();
  });

  test('hears nothing between a cut and the reset that follows', async () => {
    const { clock, store, other, recorder } = await setUp({ announcement: 10 });
    await create(other);
    await clock.advance(5);
    store.disconnect();
    store.disconnect();
    await create(other);
    await clock.advance(100);
    await expectUnavailable(store.liveOwners());
    store.reconnect();
    await clock.advance(100);
    const { id } = await create(other);
    await clock.advance(100);
    expect(recorder.events).toEqual([
      { kind: 'reset' },
      { kind: 'disconnected' },
      { kind: 'reset' },
      { kind: 'changed', record: await other.getById(id) },
    ]);
  });

  test('lets leases run out by its clock', async () => {
    const { clock, store, other } = await setUp({});
    await store.renewLease({ owner: 'proxy-0', durationMs: 100 });
    await clock.advance(99);
    expect(await other.liveOwners()).toEqual(new Map([['proxy-0', { remainingMs: 1 }]]));
    await clock.advance(1);
    expect(await other.liveOwners()).toEqual(new Map());
  });

  test('stays closed when it was stopped', async () => {
    const { store } = await setUp({});
    await store.stop();
    store.reconnect();
    await expectUnavailable(store.liveOwners());
  });
});

async function expectUnavailable(call: Promise<unknown>): Promise<void> {
  await expect(call).rejects.toBeInstanceOf(StoreUnavailableError);
}
