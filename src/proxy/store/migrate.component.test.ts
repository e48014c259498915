import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { clientConfig, useDatabase, type TestDatabase } from '../../../test/support/postgres.ts';
import { StoreUnavailableError } from './control-store.ts';
import { LogRecorder, migrate } from './testing.ts';

const applied = [
  '0001_repositories',
  '0002_storage_identities',
  '0003_verifications',
  '0004_repositories_behind',
  '0005_drains',
  '0006_storage_weights',
  '0007_storage_zones',
  '0008_rechecks',
];

describe('migratePostgres', () => {
  describe('on an empty database', () => {
    const database = useDatabase();

    test('makes the tables, and nothing when it runs again', async () => {
      const logger = new LogRecorder();
      await migrate(database.coordinates, { logger });
      const before = await query(database, 'SELECT name, run_on FROM migrations ORDER BY id');
      expect(before.map((row) => row['name'])).toEqual(applied);
      await migrate(database.coordinates, { logger });
      expect(await query(database, 'SELECT name, run_on FROM migrations')).toEqual(before);
      const told = logger.lines.filter(({ message }) => message === 'the database is migrated');
      expect(told.map(({ fields }) => fields)).toEqual([{ applied }]);
    });
  });

  describe('by several proxies at the same time', () => {
    const database = useDatabase();

    test('is done by one while the others wait', async () => {
      const logger = new LogRecorder();
      await Promise.all(Array.from({ length: 4 }, () => migrate(database.coordinates, { logger })));
      const rows = await query(database, 'SELECT name FROM migrations');
      expect(rows.map((row) => row['name'])).toEqual(applied);
      const told = logger.lines.filter(({ message }) => message === 'the database is migrated');
      expect(told).toHaveLength(1);
    });
  });

  describe('that fails', () => {
    const database = useDatabase();
    let directory = '';

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'migrations-'));
      await writeFile(join(directory, '0001_good.sql'), 'CREATE TABLE good ();');
      await writeFile(join(directory, '0002_bad.sql'), 'CREATE TABLE bad (nonsense);');
    });
    afterAll(() => rm(directory, { recursive: true }));

    test('leaves nothing behind, and can be tried again', async () => {
      await expect(migrate(database.coordinates, { directory })).rejects.toThrow(/syntax error/);
      const tables = `SELECT to_regclass('good') AS good`;
      expect(await query(database, tables)).toEqual([{ good: null }]);
      await writeFile(join(directory, '0002_bad.sql'), 'CREATE TABLE bad ();');
      await migrate(database.coordinates, { directory });
      expect(await query(database, tables)).toEqual([{ good: 'good' }]);
    });

    test('tells when the folder is missing', async () => {
      const missing = join(directory, 'missing');
      await expect(migrate(database.coordinates, { directory: missing })).rejects.toThrow(/ENOENT/);
    });
  });

  describe('that has to wait for too long', () => {
    const database = useDatabase();

    test('gives up after its limit, and works later', async () => {
      const holder = new pg.Client(clientConfig(database.coordinates));
      await holder.connect();
      // The lock of node-pg-migrate, held as by a proxy that hangs in the middle.
      await holder.query('SELECT pg_advisory_lock(7241865325823964)');
      const waiting = migrate(database.coordinates, { limitMs: 200 });
      await expect(waiting).rejects.toBeInstanceOf(StoreUnavailableError);
      await holder.end();
      await migrate(database.coordinates);
    });
  });

  test('is rejected when there is no server', async () => {
    const nowhere = { host: '/nonexistent', port: 1, dbname: 'a', username: 'b', password: 'c' };
    await expect(migrate(nowhere)).rejects.toBeInstanceOf(StoreUnavailableError);
  });
});

async function query(
  { coordinates }: TestDatabase,
  statement: string,
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(clientConfig(coordinates));
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}
