import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { ProxyConfig } from '../api/proxy-config.ts';
import { systemClock, withTimeout } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import { migratePostgres } from '../proxy/store/migrate.ts';
import { connectPostgresStore } from '../proxy/store/postgres-store.ts';
import { databaseConnection } from './database-connection.ts';
import { createProxyLogger } from './proxy-logger.ts';
import { startProxySecrets } from './proxy-secrets.ts';
import { startProxyServer } from './proxy-server.ts';
import { readSecretDir } from './secrets.ts';

/** What a stop may take beyond the time that clients get: see `takeLeave`. */
const endLimitMs = 22_000;

const logger = createProxyLogger(process.env['LOG_LEVEL']);

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  if (values.config === undefined) {
    throw new Error(
      'tell where the configuration is: proxy --config /etc/gitaly-proxy/config.json',
    );
  }
  const config = JSON.parse(await readFile(values.config, 'utf8')) as ProxyConfig;
  const secrets = await startProxySecrets(config, { clock: systemClock, logger });

  const connection = databaseConnection(await readSecretDir(config.databaseDir));
  const directory = join(dirname(fileURLToPath(import.meta.url)), 'migrations');
  const database = { connection, clock: systemClock, random: systemRandom, logger };
  const openStore = async () => {
    await migratePostgres({ ...database, directory });
    return connectPostgresStore(database);
  };
  const owner = `${process.env['POD_NAME'] ?? hostname()}-${randomBytes(4).toString('hex')}`;
  const starting = new AbortController();
  // The first process of a container gets no signal that it does not listen to.
  const giveUp = (signal: string) => {
    logger.info({ signal }, 'proxy stops before it served');
    starting.abort(new Error('told to stop'));
  };
  process.once('SIGTERM', giveUp).once('SIGINT', giveUp);
  const server = await startProxyServer({
    config,
    owner,
    openStore,
    signal: starting.signal,
    logger,
    ...secrets.sources,
  });

  const stopLimitMs = config.stop.lameDuckMs + config.stop.callsMs + endLimitMs;
  const stop = (signal: string) => {
    logger.info({ signal }, 'proxy stops');
    // Told twice, it does not wait for clients any more.
    process.once('SIGTERM', () => void server.stopNow());
    process.once('SIGINT', () => void server.stopNow());
    const stopping = server.stop().then(() => secrets.stop());
    withTimeout(systemClock, stopLimitMs, 'stopping', stopping).then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'proxy did not stop in order');
        process.exit(1);
      },
    );
  };
  process.off('SIGTERM', giveUp).off('SIGINT', giveUp);
  process.once('SIGTERM', stop).once('SIGINT', stop);
}

main().catch((error: unknown) => {
  logger.fatal({ err: error }, `the proxy cannot start: ${errorMessage(error)}`);
  process.exit(1);
});
