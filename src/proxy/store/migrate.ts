import { readdir } from 'node:fs/promises';
import { runner } from 'node-pg-migrate';
import { withTimeout, type Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { clientConfig, defaultLimits, type ConnectionSource } from './connection.ts';
import { CuttableClient } from './cuttable-client.ts';
import { asStoreError } from './store-error.ts';

export interface MigrateOptions {
  readonly connection: ConnectionSource;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The folder of the `*.sql` files: `migrations` beside this file, or beside the bundle. */
  readonly directory: string;
  /** For everything, including the wait for another proxy that is at it. Default 60 s. */
  readonly limitMs?: number;
}

/**
 * Brings the database's tables up to date in one transaction. Any number of proxies may try at the
 * same time: one works while the others wait, and then they find nothing left to do.
 *
 * @throws StoreUnavailableError if the database cannot be reached or time runs out
 * @throws Error if a migration fails or none is there; nothing has changed then
 */
export async function migratePostgres(options: MigrateOptions): Promise<void> {
  const { connection, clock, logger, directory, limitMs = 60_000 } = options;
  const files = await readdir(directory);
  if (files.length === 0) throw new Error(`there are no migrations in ${directory}`);
  const client = new CuttableClient(
    clientConfig(connection, { ...defaultLimits, callMs: limitMs }),
  );
  client.on('error', (error) => {
    logger.debug({ err: error }, 'the database connection is lost while migrating');
  });
  try {
    const migrating = migrate(client, logger, directory);
    const applied = await withTimeout(clock, limitMs, 'migrating the database', migrating);
    if (applied.length > 0) logger.info({ applied }, 'the database is migrated');
  } catch (error) {
    throw asStoreError(error);
  } finally {
    client.cut();
  }
}

async function migrate(
  client: CuttableClient,
  logger: Logger,
  dir: string,
): Promise<readonly string[]> {
  await client.connect();
  const applied = await runner({
    dbClient: client,
    dir,
    direction: 'up',
    migrationsTable: 'migrations',
    singleTransaction: true,
    advisoryLockMode: 'wait',
    log: (text) => logger.debug({ text }, 'migrating the database'),
  });
  return applied.map(({ name }) => name);
}
