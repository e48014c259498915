import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll } from '@jest/globals';
import pg from 'pg';
import { sharedPostgres } from './shared-postgres.ts';
import type { DatabaseCoordinates } from './postgres-server.ts';

/** A database that belongs to one test file. */
export interface TestDatabase {
  /** Valid from the first `beforeAll` on. */
  readonly coordinates: DatabaseCoordinates;
}

/**
 * Gives the test file an empty database of its own on the run's PostgreSQL server, and drops it
 * afterwards, whatever is still connected. Call it at the top of a file or of a `describe`.
 */
export function useDatabase(): TestDatabase {
  const dbname = `test_${randomBytes(8).toString('hex')}`;

  beforeAll(() => administer(`CREATE DATABASE ${dbname} TEMPLATE template0 STRATEGY wal_log`));
  afterAll(() => administer(`DROP DATABASE IF EXISTS ${dbname} WITH (FORCE)`));

  return {
    get coordinates() {
      return { ...sharedPostgres(), dbname };
    },
  };
}

/** The client options of `pg` for a database, for tests that talk SQL themselves. */
export function clientConfig(coordinates: DatabaseCoordinates): pg.ClientConfig {
  const { host, port, dbname, username, password } = coordinates;
  return { host, port, database: dbname, user: username, password };
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client(clientConfig({ ...sharedPostgres(), dbname: 'postgres' }));
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
