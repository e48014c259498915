import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { startPostgres, type PostgresServer } from './postgres-server.ts';
import { clientConfig, useDatabase } from './postgres.ts';

describe('useDatabase', () => {
  const first = useDatabase();
  const second = useDatabase();

  test('gives each caller an empty database of its own', async () => {
    await query(first, 'CREATE TABLE only_here ()');
    const tables = `SELECT count(*)::int AS n FROM pg_tables WHERE schemaname = 'public'`;
    expect(await query(first, tables)).toEqual([{ n: 1 }]);
    expect(await query(second, tables)).toEqual([{ n: 0 }]);
  });

  test('asks for the password', async () => {
    const coordinates = { ...first.coordinates, password: 'wrong' };
    await expect(query({ coordinates }, 'SELECT 1')).rejects.toThrow(/password authentication/);
  });
});

describe('startPostgres', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres({ max_connections: '17' });
  });
  afterAll(() => server.stop());

  const select = (expression: string) =>
    query({ coordinates: server.coordinates('postgres') }, `SELECT ${expression} AS it`);

  test('takes settings', async () => {
    expect(await select(`current_setting('max_connections')`)).toEqual([{ it: '17' }]);
  });

  test.each(['fast', 'immediate'] as const)(
    'keeps data and port over a stop (%s)',
    async (mode) => {
      await query({ coordinates: server.coordinates('postgres') }, `CREATE TABLE kept_${mode} ()`);
      await server.shutDown(mode);
      await expect(select('1')).rejects.toThrow(/ECONNREFUSED/);
      await server.startAgain();
      expect(await select(`to_regclass('kept_${mode}') IS NOT NULL`)).toEqual([{ it: true }]);
    },
  );

  test('answers nothing while frozen, and everything after', async () => {
    const client = new pg.Client(clientConfig(server.coordinates('postgres')));
    await client.connect();
    await server.freeze();
    let answered = false;
    const answer = client.query('SELECT 1').then(() => (answered = true));
    await expect(
      query({ coordinates: server.coordinates('postgres') }, 'SELECT 1', 200),
    ).rejects.toThrow(/timeout/);
    expect(answered).toBe(false);
    server.thaw();
    expect(await answer).toBe(true);
    await client.end();
  });
});

async function query(
  database: { readonly coordinates: Parameters<typeof clientConfig>[0] },
  statement: string,
  connectionTimeoutMillis = 20_000,
): Promise<unknown[]> {
  const client = new pg.Client({ ...clientConfig(database.coordinates), connectionTimeoutMillis });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}
