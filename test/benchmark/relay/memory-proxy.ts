/**
 * The proxy with a control store in its own memory, for measurements that are not to depend on a
 * database's disk, or need more repositories than can be created meanwhile. Each worker has a store of
 * its own.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { ProxyConfig, VirtualStorageConfig } from '../../../src/api/proxy-config.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { createProxyLogger, openLogOutput } from '../../../src/main/proxy-logger.ts';
import { runProxyProgram, workerNumber } from '../../../src/main/proxy-program.ts';
import { startProxyServer } from '../../../src/main/proxy-server.ts';
import { readTokens } from '../../../src/main/secrets.ts';
import { replicaPath } from '../../../src/proxy/routing/replica-path.ts';
import { MemoryDatabase } from '../../../src/proxy/store/memory-database.ts';
import { createMemoryStore } from '../../../src/proxy/store/memory-store.ts';
import { repositoryPath } from './repository-path.ts';

const { values } = parseArgs({
  options: { config: { type: 'string' }, repositories: { type: 'string', default: '0' } },
});
const config = JSON.parse(await readFile(values.config ?? '', 'utf8')) as ProxyConfig;
const clientTokens = await readTokens(config.clientTokenDir);
const gitalyTokens = await readTokens(config.gitalyTokenDir);
const database = new MemoryDatabase({ clock: systemClock });
const [virtualStorage] = config.virtualStorages;
if (virtualStorage !== undefined) seed(virtualStorage, Number(values.repositories));

const output = openLogOutput();
const { logger, callLogger } = createProxyLogger({ output, worker: workerNumber() });
const code = await runProxyProgram({
  config,
  program: fileURLToPath(import.meta.url),
  args: process.argv.slice(2),
  startProxy: ({ options }) =>
    startProxyServer({
      config,
      owner: `memory-proxy-${workerNumber() ?? 0}`,
      openStore: () => Promise.resolve(createMemoryStore({ clock: systemClock, database })),
      logger,
      callLogger,
      clientTokens: () => clientTokens,
      gitalyTokens: () => gitalyTokens,
      ...options,
    }),
  output,
  logger,
});
process.exit(code);

/** Repositories on all storages, as if they had been created there. */
function seed({ name, storages }: VirtualStorageConfig, count: number): void {
  const replicas = storages.map(({ name: storage }) => ({
    storage,
    lsn: 0n,
    role: 'voter' as const,
  }));
  for (let number = 0; number < count; number++) {
    const id = database.nextId();
    const relativePath = repositoryPath(number);
    database.create({
      id,
      virtualStorage: name,
      relativePath,
      replicaPath: replicaPath(id, relativePath, sha256),
      version: 1n,
      epoch: 1n,
      lsn: 0n,
      primary: storages[number % storages.length]?.name ?? '',
      replicas,
      intents: [],
    });
  }
}

function sha256(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
