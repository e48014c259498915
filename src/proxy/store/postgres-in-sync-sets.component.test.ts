import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { clientConfig, useDatabase } from '../../../test/support/postgres.ts';
import { change, create, eventually, useStores } from './conformance/support.ts';
import { StoreUnavailableError, type ControlStore } from './control-store.ts';
import { TooManyListsError, type InSyncSet, type InSyncSetPage } from './in-sync-sets.ts';
import { connect, migrate, patientLimits } from './testing.ts';

const database = useDatabase();
const virtualStorage = 'default';
const repositories = 2500;

beforeAll(() => migrate(database.coordinates));
beforeEach(() =>
  query(
    `TRUNCATE repositories CASCADE;
     ALTER TABLE repositories DISABLE TRIGGER USER;
     INSERT INTO repositories (id, virtual_storage, relative_path, replica_path, version, epoch,
                               lsn, primary_storage, replicas, intents, placement, settled)
     SELECT nextval('repository_ids'), 'default', n || '.git', '@cluster/' || n, 1, 1, 0, 'a',
            json_build_array(json_build_object('storage', 'a', 'lsn', '0', 'role', 'voter'),
                             json_build_object('storage', 's-' || n, 'lsn', '0', 'role', 'voter')),
            '[]', format('["a",["a","voter",true],["s-%s","voter",true]]', n), true
     FROM generate_series(1, ${repositories}) AS n;
     ALTER TABLE repositories ENABLE TRIGGER USER`,
  ),
);

const open = useStores({ open: () => connect(database.coordinates), interrupt: async () => {} });
/** Whose time the test tells; the database's own limit, as long, is not to be the first. */
const clock = new ManualClock();
const listMs = 60_000;
const timed = useStores({
  open: () =>
    connect(database.coordinates, {
      clock,
      limits: { ...patientLimits, listMs },
    }),
  interrupt: async () => {},
});

describe('the list of in-sync sets in PostgreSQL', () => {
  test('comes in pages, with each set once', async () => {
    const store = await open();
    const pages: InSyncSetPage[] = [];
    for await (const page of store.inSyncSets({ virtualStorage })) pages.push(page);
    expect(pages.map(({ sets }) => sets.length)).toEqual([1000, 1000, 500]);
    const names = pages.flatMap(({ sets }) => sets.map(({ storages }) => storages.join()));
    expect(new Set(names).size).toBe(repositories);
    expect(new Set(pages.map(({ asOfMs }) => asOfMs)).size).toBe(1);
    expect(pages[0]?.asOfMs).toBeLessThanOrEqual(Date.now());
  });

  test('is of one moment, and keeps no write waiting, however late it is read', async () => {
    const store = await open();
    const list = store.inSyncSets({ virtualStorage })[Symbol.asyncIterator]();
    const first = await list.next();
    const created = await create(store, { virtualStorage });
    for (const record of await store.list({ virtualStorage, limit: 1000 })) {
      await change(store, { ...record, primary: record.replicas[1]?.storage ?? '' });
    }
    await store.remove(created);
    const sets: InSyncSet[] = first.done ? [] : [...first.value.sets];
    for (let next = await list.next(); !next.done; next = await list.next()) {
      sets.push(...next.value.sets);
    }
    expect(new Set(sets.map(({ example }) => example)).size).toBe(repositories);
    expect(sets).toHaveLength(repositories);
  });

  test('is one at a time, and the next may begin when its reader leaves', async () => {
    const store = await open();
    const list = store.inSyncSets({ virtualStorage })[Symbol.asyncIterator]();
    await list.next();
    await expect(count(store)).rejects.toThrow(TooManyListsError);
    await list.return?.();
    await eventually(async () => (await sessions()) === 0);
    expect(await count(store)).toBe(repositories);
  });

  test('ends when nobody waits for it any more', async () => {
    const store = await open();
    const leaving = new AbortController();
    const list = store.inSyncSets({ virtualStorage, signal: leaving.signal });
    const pages = list[Symbol.asyncIterator]();
    await pages.next();
    leaving.abort();
    await eventually(async () => (await sessions()) === 0);
    await expect(pages.next()).rejects.toThrow(/nobody waits/);
    await expect(count(store, leaving.signal)).rejects.toThrow(StoreUnavailableError);
    expect(await count(store)).toBe(repositories);
  });

  test('leaves the database when its time is over, though its reader has fallen asleep', async () => {
    const store = await timed();
    const pages = store.inSyncSets({ virtualStorage })[Symbol.asyncIterator]();
    await pages.next();
    expect(await sessions()).toBe(1);
    await clock.advance(listMs);
    await eventually(async () => (await sessions()) === 0);
    await expect(pages.next()).rejects.toThrow(`not read within ${listMs} ms`);
  });

  test('ends with its store', async () => {
    const store = await open();
    const pages = store.inSyncSets({ virtualStorage })[Symbol.asyncIterator]();
    await pages.next();
    await store.stop();
    await expect(pages.next()).rejects.toThrow(StoreUnavailableError);
    await eventually(async () => (await sessions()) === 0);
  });
});

async function count(store: ControlStore, signal?: AbortSignal): Promise<number> {
  let sum = 0;
  const list = store.inSyncSets({ virtualStorage, ...(signal && { signal }) });
  for await (const { sets } of list) sum += sets.length;
  return sum;
}

/** How many lists the database is making. */
async function sessions(): Promise<number> {
  const { rows } = await query(
    `SELECT count(*)::int AS lists FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND state LIKE 'idle in transaction%'`,
  );
  return (rows[0] as { lists: number }).lists;
}

async function query(statement: string): Promise<pg.QueryResult<object>> {
  const client = new pg.Client(clientConfig(database.coordinates));
  await client.connect();
  try {
    return await client.query(statement);
  } finally {
    await client.end();
  }
}
