import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { nodesOf, recordWith, replica } from '../../../test/support/repository-records.ts';
import type { StorageKey } from '../store/storage-identity.ts';
import { MemoryDatabase } from '../store/memory-database.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { RepositoryView } from '../view/repository-view.ts';
import { VolumeGuard } from './volume-guard.ts';

const key: StorageKey = { virtualStorage: 'default', storage: 'b' };

/** Some repositories on `a`, `b` and `c`, and the volume `old` recorded for `b`. */
async function scene(repositories = 3) {
  const clock = new ManualClock();
  const database = new MemoryDatabase({ clock });
  for (let index = 1; index <= repositories; index++) {
    const id = database.nextId();
    database.create(recordWith({ id, relativePath: `${id}.git`, primary: index % 2 ? 'b' : 'a' }));
  }
  database.putIdentity({ ...key, filesystemId: 'old', version: 0n });
  /** Storages that no proxy reaches. */
  const away = new Set<string>(['b']);
  const told = new Map<string, number | boolean>();
  const startProxy = async (owner: string) => {
    const store = createMemoryStore({ clock, database });
    const logger = new RecordingLogger();
    const outage = { failed() {}, worked() {} };
    const view = new RepositoryView({ store, owner, clock, logger, outage });
    await view.start();
    await store.renewLease({ owner, durationMs: 3000 });
    const nodes = () =>
      nodesOf(
        ['a', 'b', 'c'],
        Object.fromEntries([...away].map((storage) => [storage, { healthy: false }])),
      );
    const guard = new VolumeGuard({
      store,
      view,
      storages: { get: () => ({ nodes }) },
      metrics: {
        volumeCompared: (_, isReplaced) => told.set('replaced', isReplaced),
        repositoriesKept: (_, kept) => told.set('kept', kept),
        replicasGivenUp: (_, more) => told.set('givenUp', Number(told.get('givenUp') ?? 0) + more),
      },
      clock,
      random: { next: () => 0.5 },
      logger,
    });
    /** What a health check learns; time passes while it waits. */
    const check = async (shown: string) => {
      const checking = guard.check(key, shown);
      await clock.advance(10);
      return checking;
    };
    return { store, guard, logger, check };
  };
  const lsnsOnB = () =>
    database.all().map(({ replicas }) => replicas.find(({ storage }) => storage === 'b')?.lsn);
  return { clock, database, away, told, startProxy, lsnsOnB };
}

const right = { kind: 'right', isCertain: true };

describe('a storage that shows another volume', () => {
  test('may be used once its replicas were given up, and every proxy has heard of it', async () => {
    const { clock, database, told, startProxy, lsnsOnB } = await scene();
    const { check, logger } = await startProxy('proxy-1');
    // It is alive, and takes note of nothing.
    await (await startProxy('proxy-2')).store.stop();
    expect(await check('new')).toMatchObject({
      kind: 'wrong',
      reason: expect.stringContaining('filesystem id new, not old'),
    });
    await clock.advance(2500);
    expect(lsnsOnB()).toEqual([-1n, -1n, -1n]);
    expect(database.all().map(({ primary }) => primary)).toEqual(['a', 'a', 'a']);
    expect(told.get('givenUp')).toBe(3);
    expect(await check('new')).toMatchObject({ kind: 'wrong' });
    await clock.advance(1000);
    expect(await check('new')).toEqual(right);
    expect(database.identityOf(key)).toMatchObject({ filesystemId: 'new' });
    expect(told.get('replaced')).toBe(false);
    expect(logger.entries.map(({ message }) => message)).toEqual([
      'a storage is not used, for its volume',
      'replicas were given up with the volume that they were on',
      'the new volume of a storage is recorded; its replicas are copied anew',
      'a storage is used again, with its volume',
    ]);
  });

  test('is given nothing up for by a proxy that stood still until the old volume was back', async () => {
    const { clock, database, startProxy, lsnsOnB } = await scene();
    const slow = await startProxy('proxy-1');
    const list = slow.store.list.bind(slow.store);
    let goOn = () => {};
    slow.store.list = async (query) => {
      const page = await list(query);
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      return page;
    };
    await slow.check('new');
    const other = await startProxy('proxy-2');
    expect(await other.check('old')).toEqual(right);
    goOn();
    await clock.advance(5000);
    expect(lsnsOnB()).toEqual([5n, 5n, 5n]);
    expect(database.identityOf(key)).toEqual({ ...key, filesystemId: 'old', version: 3n });
  });

  test('is not recorded by a proxy that gave all up before the old volume was back', async () => {
    const { clock, database, startProxy, lsnsOnB } = await scene(1);
    const slow = await startProxy('proxy-1');
    const put = slow.store.putIdentity.bind(slow.store);
    let goOn: (() => void) | undefined;
    slow.store.putIdentity = async (next) => {
      if (next.filesystemId === 'new') {
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
      }
      return put(next);
    };
    await slow.check('new');
    await clock.advance(3500);
    expect(goOn).toBeDefined();
    const other = await startProxy('proxy-2');
    expect(await other.check('old')).toEqual(right);
    // It is repaired meanwhile, on the old volume; then the other one is shown again.
    const [record] = database.all();
    if (record !== undefined) {
      const replicas = record.replicas.map(({ storage }) => replica(storage, record.lsn));
      database.swap({ ...record, replicas });
    }
    other.store.list = () => new Promise(() => {});
    await other.check('new');
    goOn?.();
    await clock.advance(100);
    expect(database.identityOf(key)).toMatchObject({ filesystemId: 'old', replacement: 'new' });
    expect(lsnsOnB()).toEqual([5n]);
  });

  test('waits for a person if it alone was in sync, and says how many repositories that concerns', async () => {
    const { clock, away, told, startProxy, lsnsOnB } = await scene();
    away.add('a').add('c');
    const { check } = await startProxy('proxy-1');
    await check('new');
    const verdict = await check('new');
    expect(verdict).toMatchObject({
      reason: expect.stringMatching(
        /3 repositories are in sync on no other .* repository dataloss.* accept-volume default\/b/,
      ),
    });
    expect(lsnsOnB()).toEqual([5n, 5n, 5n]);
    expect(told.get('kept')).toBe(3);
    away.delete('a');
    await clock.advance(2000);
    await check('new');
    await clock.advance(4000);
    expect(await check('new')).toEqual(right);
    expect(told.get('kept')).toBe(0);
  });

  test('is used at once if a person says that it is right: what is nowhere else stays', async () => {
    const { clock, database, away, startProxy, lsnsOnB } = await scene(2);
    const { guard, check, logger } = await startProxy('proxy-1');
    const alone = database.get({ virtualStorage: 'default', relativePath: '1.git' });
    if (alone !== undefined) database.swap({ ...alone, replicas: [replica('b', 5n)] });
    expect(await guard.accept(key)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('no other volume than before'),
    });
    await check('new');
    expect(await check('new')).toMatchObject({
      reason: expect.stringContaining('a repository is in sync on no other storage'),
    });
    const accepting = guard.accept(key);
    await clock.advance(4000);
    expect(await accepting).toEqual({ kind: 'accepted', kept: 1 });
    expect(lsnsOnB()).toEqual([5n, -1n]);
    expect(await check('new')).toEqual(right);
    expect(away.has('b')).toBe(true);
    expect(logger.entries).toContainEqual(
      expect.objectContaining({
        message:
          'a person has accepted the new volume of a storage; what is nowhere else is taken as it is there',
        fields: { ...key, before: 'old', now: 'new', kept: 1 },
      }),
    );
  });

  test('is given up for once by several proxies at the same time', async () => {
    const { clock, database, told, startProxy, lsnsOnB } = await scene(20);
    const proxies = [];
    for (let index = 0; index < 4; index++) proxies.push(await startProxy(`proxy-${index}`));
    const checking = Promise.all(proxies.map(({ guard }) => guard.check(key, 'new')));
    await clock.advance(4000);
    await checking;
    expect(lsnsOnB()).toEqual(Array.from({ length: 20 }, () => -1n));
    expect(told.get('givenUp')).toBe(20);
    for (const { check } of proxies) expect(await check('new')).toEqual(right);
    expect(database.identityOf(key)).toEqual({ ...key, filesystemId: 'new', version: 3n });
  });
});

describe('while the control store is away', () => {
  test('a storage is used with the volume that was compared last, and with no other', async () => {
    const { startProxy } = await scene();
    const { check, store } = await startProxy('proxy-1');
    expect(await check('old')).toEqual(right);
    store.disconnect();
    expect(await check('old')).toEqual({ kind: 'right', isCertain: false });
    expect(await check('new')).toMatchObject({
      kind: 'wrong',
      reason: expect.stringMatching(/another volume.*bring the control store back/),
    });
    // It may have been recorded by others since.
    expect(await check('old')).toMatchObject({ kind: 'wrong' });
    store.reconnect();
    expect(await check('old')).toEqual(right);
    store.disconnect();
    expect(await check('')).toMatchObject({ kind: 'wrong' });
  });

  test('a store that says nothing is waited for no longer than a second', async () => {
    const { clock, startProxy } = await scene();
    const { guard, check, store } = await startProxy('proxy-1');
    await check('old');
    store.getIdentity = () => new Promise(() => {});
    const checking = guard.check(key, 'old');
    await clock.advance(1000);
    expect(await checking).toEqual({ kind: 'right', isCertain: false });
  });

  test('a storage that was never compared is not used', async () => {
    const { startProxy } = await scene();
    const { check, store } = await startProxy('proxy-1');
    store.disconnect();
    expect(await check('old')).toMatchObject({
      kind: 'wrong',
      reason: expect.stringContaining('nobody can tell whether it has the volume that it had'),
    });
  });
});

test('a storage that tells of no volume is used as long as it never told of one', async () => {
  const { startProxy } = await scene();
  const { guard, logger, check } = await startProxy('proxy-1');
  const other = { virtualStorage: 'default', storage: 'c' };
  expect(await guard.check(other, '')).toEqual(right);
  expect(await guard.check(other, '')).toEqual(right);
  expect(logger.entries.map(({ message }) => message)).toEqual([
    'a storage does not tell which volume it has: a lost one would not be noticed',
  ]);
  expect(await check('')).toMatchObject({
    reason: expect.stringContaining('.gitaly-metadata'),
  });
});
