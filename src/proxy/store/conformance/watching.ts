import { describe, expect, test } from '@jest/globals';
import type { RepositoryRecord } from '../../routing/repository-record.ts';
import type { ControlStore, WatchEvents } from '../control-store.ts';
import {
  change,
  create,
  eventually,
  race,
  useStores,
  WatchRecorder,
  type Harness,
  type WatchEvent,
} from './support.ts';

/** The promises of the pushed view, also while connections are lost. */
export function describeWatching(harness: Harness): void {
  const open = useStores(harness);

  const watch = async (store: ControlStore) => {
    const recorder = new WatchRecorder();
    const watching = await store.watch(recorder);
    return { recorder, watching };
  };

  describe('watch', () => {
    test('begins with a reset, before it resolves', async () => {
      const store = await open();
      await create(store);
      const { recorder } = await watch(store);
      expect(recorder.events).toEqual([{ kind: 'reset' }]);
    });

    test('tells of creation, change and removal by any proxy', async () => {
      const store = await open();
      const other = await open();
      const { recorder } = await watch(store);
      const created = await create(other);
      const changed = await change(store, { ...created, lsn: 1n });
      await other.remove(changed);
      const { id, virtualStorage, relativePath } = created;
      await recorder.until(isRemoval(id));
      expect(recorder.of(id)).toEqual([
        { kind: 'changed', record: created },
        { kind: 'changed', record: changed },
        { kind: 'removed', id, key: { virtualStorage, relativePath }, version: 3n },
      ]);
    });

    test('tells nothing of a change that was not made', async () => {
      const store = await open();
      const { recorder } = await watch(store);
      const record = await create(store);
      await store.create(record);
      await store.compareAndSwap({ ...record, version: 9n });
      await store.remove({ ...record, version: 9n });
      const current = await change(store, record);
      await recorder.until(isVersion(record.id, 2n));
      expect(recorder.of(record.id)).toEqual([
        { kind: 'changed', record },
        { kind: 'changed', record: current },
      ]);
    });

    test('tells of versions in their order, and of the last', async () => {
      const stores = await Promise.all([open(), open(), open()]);
      const { recorder } = await watch(stores[0]);
      const records = await Promise.all([create(stores[0]), create(stores[1])]);
      await race(stores, 20, async (store, index) => {
        const id = records[index % 2]?.id ?? 0n;
        const current = await store.getById(id);
        if (current !== undefined) await store.compareAndSwap({ ...current, lsn: BigInt(index) });
      });
      for (const { id } of records) {
        const last = await stores[0].getById(id);
        await recorder.until(isVersion(id, last?.version ?? 0n));
        const told = recorder.of(id).map(versionOf);
        expect(told).toEqual(told.toSorted((a, b) => (a < b ? -1 : 1)));
        expect(new Set(told).size).toBe(told.length);
        expect(recorder.of(id).at(-1)).toEqual({ kind: 'changed', record: last });
      }
    });

    test('tells of records of any size', async () => {
      const store = await open();
      const { recorder } = await watch(store);
      const intents = Array.from({ length: 64 }, (_, index) => ({
        transaction: `transaction-${index}-${'x'.repeat(100)}`,
        owner: 'proxy-0',
        kind: 'write' as const,
        epoch: 1n,
        voters: ['gitaly-0', 'gitaly-1', 'gitaly-2'],
      }));
      const record = await create(store, { intents });
      const { id, virtualStorage, relativePath } = record;
      await recorder.until((event) => recorder.of(id).includes(event));
      const key = { virtualStorage, relativePath };
      expect([
        { kind: 'changed', record },
        { kind: 'invalidated', id, key },
      ]).toContainEqual(recorder.of(id)[0]);
      expect(await store.getById(id)).toEqual(record);
    });

    test('tells each watcher until it is stopped', async () => {
      const store = await open();
      const first = await watch(store);
      const second = await watch(store);
      await first.watching.stop();
      await first.watching.stop();
      const { id } = await create(store);
      await second.recorder.until(isVersion(id, 1n));
      expect(first.recorder.events).toEqual([{ kind: 'reset' }]);
    });
  });

  describe('acknowledge', () => {
    test('reaches the other proxies and not the one itself', async () => {
      const store = await open();
      const other = await open();
      const mine = await watch(store);
      const theirs = await watch(other);
      await store.acknowledge('proxy-0', 5n, 2n ** 62n);
      await other.acknowledge('proxy-1', 6n, 7n);
      const fromMe = { kind: 'acknowledged', owner: 'proxy-0', id: 5n, version: 2n ** 62n };
      const fromThem = { kind: 'acknowledged', owner: 'proxy-1', id: 6n, version: 7n };
      await theirs.recorder.until(({ kind }) => kind === 'acknowledged');
      await mine.recorder.until(({ kind }) => kind === 'acknowledged');
      expect(theirs.recorder.events).toEqual([{ kind: 'reset' }, fromMe]);
      expect(mine.recorder.events).toEqual([{ kind: 'reset' }, fromThem]);
    });
  });

  describe('a lost connection', () => {
    test('is told of, and then a reset before anything else', async () => {
      const store = await open();
      const { recorder } = await watch(store);
      await harness.interrupt();
      await recorder.until(({ kind }) => kind === 'disconnected');
      await eventually(async () => recorder.events.length >= 3);
      expect(recorder.events.map(({ kind }) => kind)).toEqual(['reset', 'disconnected', 'reset']);
      const { id } = await create(store);
      await recorder.until(isVersion(id, 1n));
    });

    test('hides no change from a view that begins anew at each reset', async () => {
      const store = await open();
      const writer = await open();
      const records = await Promise.all([create(store), create(store), create(store)]);
      const view = new View(store, records);
      await store.watch(view);
      for (let round = 0; round < 5; round += 1) {
        const changes = race([writer], 30, async (_, index) => {
          const record = await writer.getById(records[index % 3]?.id ?? 0n);
          if (record !== undefined) await writer.compareAndSwap(record);
        });
        // The writer may be cut off too: then it has changed something or not.
        await Promise.allSettled([changes, harness.interrupt()]);
      }
      // The writer may have changed nothing, and the view still know nothing of its lost connection.
      await eventually(async () => view.resets > 1);
      await eventually(async () => {
        const current = await Promise.all(records.map(({ id }) => writer.getById(id)));
        return current.every((record) => view.versionOf(record?.id) === record?.version);
      });
    });
  });
}

/** What a proxy would know: the latest that it was told, and after a reset what it asked for. */
class View implements WatchEvents {
  resets = 0;
  readonly #store: ControlStore;
  readonly #ids: readonly bigint[];
  readonly #versions = new Map<bigint, bigint>();

  constructor(store: ControlStore, records: readonly RepositoryRecord[]) {
    this.#store = store;
    this.#ids = records.map(({ id }) => id);
  }

  versionOf(id: bigint | undefined): bigint | undefined {
    return id === undefined ? undefined : this.#versions.get(id);
  }

  onReset(): void {
    this.resets += 1;
    this.#versions.clear();
    for (const id of this.#ids) this.#ask(id);
  }

  onChanged({ id, version }: RepositoryRecord): void {
    const known = this.#versions.get(id) ?? 0n;
    if (version > known) this.#versions.set(id, version);
  }

  onInvalidated(id: bigint): void {
    this.#ask(id);
  }

  onRemoved(): void {}
  onAcknowledged(): void {}
  onDisconnected(): void {}

  #ask(id: bigint): void {
    this.#store.getById(id).then(
      (record) => record && this.onChanged(record),
      () => this.#ask(id),
    );
  }
}

function isVersion(id: bigint, version: bigint): (event: WatchEvent) => boolean {
  return (event) =>
    event.kind === 'changed' && event.record.id === id && event.record.version === version;
}

function isRemoval(id: bigint): (event: WatchEvent) => boolean {
  return (event) => event.kind === 'removed' && event.id === id;
}

function versionOf(event: WatchEvent): bigint {
  if (event.kind !== 'changed') throw new Error(`not a change: ${event.kind}`);
  return event.record.version;
}
