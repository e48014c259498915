import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { ProxyConfig } from '../api/proxy-config.ts';
import { systemClock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import { migratePostgres } from '../proxy/store/migrate.ts';
import { connectPostgresStore } from '../proxy/store/postgres-store.ts';
import { databaseConnection } from './database-connection.ts';
import { createProxyLogger, openLogOutput } from './proxy-logger.ts';
import { runProxyProgram, workerNumber, type ProxyRole } from './proxy-program.ts';
import { startProxySecrets } from './proxy-secrets.ts';
import { startProxyServer, type ProxyServer } from './proxy-server.ts';
import { readSecretDir } from './secrets.ts';

const program = fileURLToPath(import.meta.url);
const output = openLogOutput();
const { logger, callLogger } = createProxyLogger({
  output,
  level: process.env['LOG_LEVEL'],
  worker: workerNumber(),
});

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  if (values.config === undefined) {
    throw new Error(
      'tell where the configuration is: proxy --config /etc/gitaly-proxy/config.json',
    );
  }
  const config = JSON.parse(await readFile(values.config, 'utf8')) as ProxyConfig;
  return runProxyProgram({
    config,
    program,
    args: ['--config', values.config],
    startProxy: (role) => startProxy(config, role),
    output,
    logger,
  });
}

async function startProxy(config: ProxyConfig, role: ProxyRole): Promise<ProxyServer> {
  const secrets = await startProxySecrets(config, { clock: systemClock, logger });
  const connection = databaseConnection(await readSecretDir(config.databaseDir));
  const directory = join(dirname(program), 'migrations');
  const database = { connection, clock: systemClock, random: systemRandom, logger };
  const server = await startProxyServer({
    config,
    owner: ownerName(role),
    openStore: async () => {
      await migratePostgres({ ...database, directory });
      return connectPostgresStore({ ...database, poolSize: role.poolSize });
    },
    logger,
    callLogger,
    ...secrets.sources,
    ...role.options,
  });
  const stop = async () => {
    await server.stop();
    await secrets.stop();
  };
  return { ...server, stop };
}

/** Never the same again: a process that is restarted is another proxy. */
function ownerName({ worker }: ProxyRole): string {
  const pod = process.env['POD_NAME'] ?? hostname();
  const number = worker === undefined ? '' : `-${worker}`;
  return `${pod}${number}-${randomBytes(4).toString('hex')}`;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    logger.fatal({ err: error }, `the proxy cannot start: ${errorMessage(error)}`);
    process.exit(1);
  },
);
