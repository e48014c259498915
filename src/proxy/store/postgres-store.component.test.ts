import { fileURLToPath } from 'node:url';
import { beforeAll } from '@jest/globals';
import pg from 'pg';
import { clientConfig, useDatabase } from '../../../test/support/postgres.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import { describeControlStore } from './control-store.conformance.ts';
import { migratePostgres } from './migrate.ts';
import { connectPostgresStore } from './postgres-store.ts';

const directory = fileURLToPath(new URL('migrations', import.meta.url));
const database = useDatabase();

beforeAll(() =>
  migratePostgres({
    connection: database.coordinates,
    clock: systemClock,
    logger: silentLogger,
    directory,
  }),
);

describeControlStore('the PostgreSQL store', {
  open: () =>
    connectPostgresStore({
      connection: database.coordinates,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    }),
  async interrupt() {
    const client = new pg.Client(clientConfig(database.coordinates));
    await client.connect();
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND query LIKE 'LISTEN%'`,
    );
    await client.end();
  },
});
