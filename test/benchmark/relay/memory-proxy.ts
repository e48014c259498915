/**
 * The proxy with a control store in its own memory, for measurements that are not to depend on a
 * database's disk, or need more repositories than can be created meanwhile.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { ProxyConfig, VirtualStorageConfig } from '../../../src/api/proxy-config.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { createProxyLogger } from '../../../src/main/proxy-logger.ts';
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

const server = await startProxyServer({
  config,
  owner: 'memory-proxy',
  openStore: () => Promise.resolve(createMemoryStore({ clock: systemClock, database })),
  logger: createProxyLogger(),
  clientTokens: () => clientTokens,
  gitalyTokens: () => gitalyTokens,
});
process.once('SIGTERM', () => {
  void server.stop().finally(() => process.exit(0));
});

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
