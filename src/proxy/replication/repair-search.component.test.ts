import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { copyRecord } from '../../../test/support/many-records.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { clientConfig, useDatabase } from '../../../test/support/postgres.ts';
import { nodesOf, replica } from '../../../test/support/repository-records.ts';
import { create, useStores } from '../store/conformance/support.ts';
import { connect, migrate } from '../store/testing.ts';
import { VirtualStorage } from '../upstream/storage-directory.ts';
import { RepairSearch } from './repair-search.ts';

const database = useDatabase();
const open = useStores({ open: () => connect(database.coordinates), interrupt: async () => {} });
beforeAll(() => migrate(database.coordinates));

const inSync = (storage: string) => replica(storage, 1n);
const isBehind = (storage: string) => replica(storage, 0n);
const policy = { replicationFactor: 3, minInSyncReplicas: 2 };

/** A virtual storage of its own with 2,000 repositories of which `c` is behind, and others that came later. */
async function setUp(name: string) {
  const store = await open();
  const add = (replicas: readonly ReturnType<typeof inSync>[]) =>
    create(store, { virtualStorage: name, primary: 'a', lsn: 1n, replicas });
  const copies = await add([inSync('a'), inSync('b'), isBehind('c')]);
  await copyRecord(clientConfig(database.coordinates), copies, 2000);
  const virtualStorage = new VirtualStorage(name, policy, []);
  virtualStorage.nodes = () => nodesOf(['a', 'b', 'c', 'd']);
  const clock = new ManualClock();
  const search = new RepairSearch({ store, storages: { all: [virtualStorage] }, clock });
  const list = jest.spyOn(store, 'list');
  return { store, add, search, list, clock };
}

describe('with many repositories that are behind', () => {
  test('the first look finds those that refuse writes, and reads few records', async () => {
    const { add, search, list } = await setUp('first-look');
    const refusing = await add([inSync('a'), isBehind('b'), isBehind('c')]);
    const found = await search.look(() => true);
    expect(found.map(({ id }) => id)).toContain(refusing.id);
    expect(found.length).toBeLessThanOrEqual(1000);
    expect(list.mock.calls.length).toBeLessThanOrEqual(3);
  });

  test('no record is read for what cannot be done now', async () => {
    const { add, search, list } = await setUp('away');
    await add([inSync('a'), isBehind('b'), isBehind('c')]);
    await search.look(() => false);
    expect(list).toHaveBeenCalledTimes(1);
  });

  test('each is found before long, as looks go on where the last one has ended', async () => {
    const { store, search } = await setUp('rounds');
    const all = await store.list({ virtualStorage: 'rounds', limit: 1000 });
    const seen = new Set<bigint>();
    for (let look = 0; look < 15; look++) {
      for (const { id } of await search.look(() => false)) seen.add(id);
    }
    expect(all.every(({ id }) => seen.has(id))).toBe(true);
    expect(seen.size).toBeGreaterThanOrEqual(2001);
  });
});

test('those with too few replicas are found among settled ones, and only then all are read', async () => {
  const store = await open();
  const name = 'missing';
  const full = { virtualStorage: name, primary: 'a', lsn: 1n };
  const settled = await create(store, { ...full, replicas: ['a', 'b', 'c'].map(inSync) });
  await copyRecord(clientConfig(database.coordinates), settled, 600);
  const virtualStorage = new VirtualStorage(name, policy, []);
  virtualStorage.nodes = () => nodesOf(['a', 'b', 'c']);
  const clock = new ManualClock();
  const onlyHere = (query: Parameters<typeof store.list>[0]) =>
    query.onlyUnsettled === true ? Promise.resolve([]) : store.list(query);
  const placements = (query: Parameters<typeof store.placements>[0]) => store.placements(query);
  const storages = { all: [virtualStorage] };
  const search = new RepairSearch({ store: { list: onlyHere, placements }, storages, clock });
  expect(await search.look(() => true)).toEqual([]);
  const short = await create(store, { ...full, replicas: ['a', 'b'].map(inSync) });
  expect(await search.look(() => true)).toEqual([]);
  await clock.advance(30_000);
  const first = await search.look(() => true);
  const second = await search.look(() => true);
  expect([first.length, second.map(({ id }) => id)]).toEqual([
    500,
    expect.arrayContaining([short.id]),
  ]);
  // It goes on until there are none.
  expect(await search.look(() => true)).toHaveLength(500);
});
