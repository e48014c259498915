import { beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { clientConfig, useDatabase } from '../../../test/support/postgres.ts';
import type { Intent } from '../routing/repository-record.ts';
import { create, newRecord, useStores, WatchRecorder } from './conformance/support.ts';
import { describeControlStore } from './control-store.conformance.ts';
import { swap } from './queries.ts';
import { connect, migrate, patientLimits } from './testing.ts';

const database = useDatabase();
/** No probe is to come after LISTEN: {@link interrupt} knows a listening connection by its last statement. */
const limits = { ...patientLimits, probeIntervalMs: 600_000 };
const harness = { open: () => connect(database.coordinates, { limits }), interrupt };

beforeAll(() => migrate(database.coordinates));

describeControlStore('the PostgreSQL store', harness);

describe('the PostgreSQL store announces', () => {
  const open = useStores(harness);

  test('whole records up to what a notification carries, and else their key', async () => {
    const store = await open();
    const recorder = new WatchRecorder();
    await store.watch(recorder);
    const sizes = [6000, 9000, 100_000];
    const ids: bigint[] = [];
    for (const size of sizes) {
      const record = await create(store, { replicaPath: 'x'.repeat(size) });
      ids.push(record.id);
    }
    const last = await create(store);
    await recorder.until((event) => event.kind === 'changed' && event.record.id === last.id);
    expect(ids.map((id) => recorder.of(id).map(({ kind }) => kind))).toEqual([
      ['changed'],
      ['invalidated'],
      ['invalidated'],
    ]);
  });

  test('the key of a record however long it may be', async () => {
    const store = await open();
    const recorder = new WatchRecorder();
    await store.watch(recorder);
    const { id } = await newRecord(store);
    const relativePath = `${id}${'\u0001'.repeat(1200 - 'default'.length - `${id}`.length)}`;
    const replicaPath = 'x'.repeat(1000);
    const record = await create(store, { id, relativePath, replicaPath });
    await store.remove(record);
    await recorder.until(({ kind }) => kind === 'removed');
    const key = { virtualStorage: 'default', relativePath };
    expect(recorder.of(id)).toEqual([
      { kind: 'invalidated', id, key },
      { kind: 'removed', id, key, version: 2n },
    ]);
  });

  test('what a person changes by hand', async () => {
    const store = await open();
    const recorder = new WatchRecorder();
    await store.watch(recorder);
    const { id } = await create(store);
    await query(`UPDATE repositories SET version = version + 1, epoch = 5 WHERE id = ${id}`);
    await query(`DELETE FROM repositories WHERE id = ${id}`);
    await recorder.until(({ kind }) => kind === 'removed');
    expect(recorder.of(id)).toMatchObject([
      { kind: 'changed', record: { version: 1n } },
      { kind: 'changed', record: { version: 2n, epoch: 5n } },
      { kind: 'removed', version: 3n },
    ]);
  });

  test('a reset when it hears what it does not understand', async () => {
    const store = await open();
    const recorder = new WatchRecorder();
    await store.watch(recorder);
    await query(`NOTIFY gitaly_repositories, '{"kind": "of a later version", "id": "1"}'`);
    await query(`NOTIFY gitaly_repositories`);
    const { id } = await create(store);
    await recorder.until((event) => event.kind === 'changed' && event.record.id === id);
    expect(recorder.events.map(({ kind }) => kind)).toEqual(['reset', 'reset', 'reset', 'changed']);
  });
});

describe('the PostgreSQL store', () => {
  const open = useStores(harness);

  test('takes records with many replicas', async () => {
    const store = await open();
    const names = Array.from({ length: 150 }, (_, index) => `gitaly-of-some-length-${index}`);
    const replicas = names.map((storage) => ({ storage, lsn: 0n, role: 'voter' as const }));
    const record = await create(store, { replicas });
    expect(await store.getById(record.id)).toEqual(record);
  });

  test('refuses a path that is too long', async () => {
    const store = await open();
    const tooLong = await newRecord(store, { relativePath: 'x'.repeat(1200) });
    await expect(store.create(tooLong)).rejects.toThrow(/key_is_short/);
  });

  test('touches no index in an ordinary write', async () => {
    const store = await open();
    const before = await create(store);
    const replicas = before.replicas.map(({ storage, role }) => ({ storage, role, lsn: 1n }));
    const intents: Intent[] = [
      { transaction: 'push', owner: 'proxy-0', kind: 'write', epoch: 1n, voters: ['gitaly-0'] },
    ];
    const counts = await inTransaction(async (client) => {
      await client.query(swap({ ...before, intents }));
      await client.query(swap({ ...before, version: 2n, lsn: 1n, replicas }));
      return client.query(
        `SELECT n_tup_upd AS updated, n_tup_hot_upd AS heap_only
         FROM pg_stat_xact_user_tables WHERE relname = 'repositories'`,
      );
    });
    expect(counts.rows).toEqual([{ updated: '2', heap_only: '2' }]);
  });
});

async function interrupt(): Promise<void> {
  await query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE 'LISTEN%'`,
  );
}

async function query(statement: string): Promise<void> {
  await inTransaction((client) => client.query(statement));
}

async function inTransaction<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(clientConfig(database.coordinates));
  await client.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } finally {
    await client.end();
  }
}
