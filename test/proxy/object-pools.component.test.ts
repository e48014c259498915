import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { statusCodes } from '../../src/rpc/status.ts';
import { named } from '../support/fork-network.ts';
import { LocalForkNetwork } from '../support/local-fork-network.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start(options: Parameters<typeof ProxyCluster.start>[0] = {}) {
  cluster = await ProxyCluster.start(options);
  return { running: cluster, network: new LocalForkNetwork(cluster) };
}

describe('a source, its fork and their object pool', () => {
  it('share objects on every storage, and stand alone again', async () => {
    const { running, network } = await start();
    const { source, pool, client } = network;
    await network.createSourceAndPool();
    const fork = await network.fork('fork');
    await network.link(fork);
    await network.commit(source, 'four');
    await network.fetchIntoPool(source);
    await network.tidy(pool, source, fork);

    const all = running.nodes.map(({ name }) => name);
    const { replicaPath } = (await network.status(pool)) ?? {};
    expect(replicaPath).toMatch(/^@cluster\/pools\/[0-9a-f]{2}\/[0-9a-f]{2}\/\d+$/);
    for (const repository of [source, fork]) {
      expect(await network.inSync(repository)).toEqual(all);
      const { objectPool } = await client.objectPool.getObjectPool({ repository });
      expect(objectPool?.repository).toMatchObject(pool);
    }
    for (const storage of all) {
      for (const repository of [source, fork]) {
        expect(await network.borrowsFrom(repository, storage)).toBe(`${replicaPath}/objects`);
        expect(await network.faultsOf(repository, storage)).toBe('');
      }
      expect(await network.faultsOf(pool, storage)).toBe('');
    }

    const poolFolders = await Promise.all(all.map((storage) => network.folder(pool, storage)));
    for (const repository of [source, fork]) {
      await client.objectPool.disconnectGitAlternates({ repository });
    }
    await client.objectPool.deleteObjectPool({ objectPool: { repository: pool } });
    await client.objectPool.deleteObjectPool({ objectPool: { repository: pool } });
    expect(await network.status(pool)).toBeUndefined();
    expect(poolFolders.filter((folder) => existsSync(folder))).toEqual([]);
    for (const repository of [source, fork]) {
      expect(await network.inSync(repository)).toEqual(all);
      expect(await client.objectPool.getObjectPool({ repository })).toMatchObject({});
      for (const storage of all) expect(await network.faultsOf(repository, storage)).toBe('');
    }
  });

  it('lie on the same storages', async () => {
    const { network } = await start({ storages: 5, replicationFactor: 2 });
    await network.createSourceAndPool();
    const fork = await network.fork('fork');
    const hinted = named('group/hinted.git');
    await network.client.repository.createRepository(
      { repository: hinted },
      { metadata: { 'gitaly-partitioning-hint': network.source.relativePath } },
    );
    const storages = await network.inSync(network.source);
    expect(storages).toHaveLength(2);
    for (const repository of [network.pool, fork, hinted]) {
      expect(await network.inSync(repository)).toEqual(storages);
    }
  });

  it('are made without the storages that are away', async () => {
    const { running, network } = await start();
    const { source, pool, client } = network;
    await client.repository.createRepository({ repository: source });
    await network.commit(source, 'one');
    const primary = (await network.status(source))?.primary ?? '';
    await running.node(primary).stop();
    await client.objectPool.createObjectPool({ objectPool: { repository: pool }, origin: source });
    expect(await network.inSync(pool)).toHaveLength(2);
  });
});

describe('a pool whose source is written while it is made', () => {
  it('is the same on every storage', async () => {
    const { running, network } = await start();
    const { source, pool, client } = network;
    await client.repository.createRepository({ repository: source });
    await network.commit(source, 'one');
    const primary = (await network.status(source))?.primary;
    const [late, ...others] = running.nodes.filter(({ name }) => name !== primary);
    late?.faults.add({ step: 'call', method: 'CreateObjectPool', action: { kind: 'hang' } });
    const creating = client.objectPool.createObjectPool({
      objectPool: { repository: pool },
      origin: source,
    });
    for (const { name, storagePath } of [...others, running.node(primary ?? '')]) {
      await waitUntil(`the pool is on ${name}`, async () => {
        const pools = join(storagePath, '@cluster', 'pools');
        return (await readdir(pools, { recursive: true }).catch(() => [])).some((file) =>
          file.endsWith('HEAD'),
        );
      });
    }
    const second = await network.commit(source, 'two');
    late?.faults.clear();
    await creating;
    expect(await network.inSync(pool)).toHaveLength(3);
    const status = await network.status(pool);
    const heads = await Promise.all(
      running.nodes.map(async ({ name }) => {
        const repository = { storageName: name, relativePath: status?.replicaPath ?? '' };
        const revision = Buffer.from('main');
        const { commit } = await running.storageClient(name).commit.findCommit({
          repository,
          revision,
        });
        return commit?.id;
      }),
    );
    expect(new Set(heads).size).toBe(1);
    expect(heads).not.toContain(second);
  });
});

describe('calls about object pools that cannot be carried out', () => {
  it('are refused with the status that clients of Gitaly know', async () => {
    const { network } = await start();
    const { client, source, pool } = network;
    const { createObjectPool, getObjectPool, deleteObjectPool, linkRepositoryToObjectPool } =
      client.objectPool;
    const objectPool = { repository: pool };
    const missing = expect.stringMatching(/additional repository not found$/);
    await expect(createObjectPool({ objectPool, origin: source })).rejects.toMatchObject({
      code: statusCodes.NOT_FOUND,
      message: missing,
    });
    expect(await network.status(pool)).toBeUndefined();
    await client.repository.createRepository({ repository: source });
    await expect(
      linkRepositoryToObjectPool({ objectPool, repository: source }),
    ).rejects.toMatchObject({ code: statusCodes.NOT_FOUND, message: missing });
    const elsewhere = { repository: { ...pool, relativePath: 'group/pool.git' } };
    const badPath = {
      code: statusCodes.INVALID_ARGUMENT,
      message: 'invalid object pool directory',
    };
    await expect(createObjectPool({ objectPool: elsewhere, origin: source })).rejects.toMatchObject(
      badPath,
    );
    await expect(deleteObjectPool({ objectPool: elsewhere })).rejects.toMatchObject(badPath);
    await expect(createObjectPool({ objectPool })).rejects.toMatchObject({
      code: statusCodes.INVALID_ARGUMENT,
      message: 'no origin repository',
    });
    await expect(getObjectPool({ repository: named('none.git') })).rejects.toMatchObject({
      code: statusCodes.NOT_FOUND,
      message: 'repository not found',
    });
    expect(await getObjectPool({ repository: source })).toMatchObject({});

    await createObjectPool({ objectPool, origin: source });
    await expect(createObjectPool({ objectPool, origin: source })).rejects.toMatchObject({
      code: statusCodes.ALREADY_EXISTS,
    });
  });

  it('leave no record of a pool that the storages refuse', async () => {
    const { running, network } = await start();
    const { client, source, pool } = network;
    await client.repository.createRepository({ repository: source });
    const primary = running.node((await network.status(source))?.primary ?? '');
    const action = { kind: 'fail', code: statusCodes.INTERNAL, message: 'disk full' } as const;
    primary.faults.add({ step: 'answer', method: 'CreateObjectPool', action });
    const refused = client.objectPool.createObjectPool({
      objectPool: { repository: pool },
      origin: source,
    });
    await expect(refused).rejects.toMatchObject({
      code: statusCodes.INTERNAL,
      message: 'disk full',
    });
    expect(await network.status(pool)).toBeUndefined();
    primary.faults.clear();
    await client.objectPool.createObjectPool({ objectPool: { repository: pool }, origin: source });
  });

  it('are refused where a partitioning hint names no repository', async () => {
    const { network } = await start();
    const { repository } = network.client;
    const creation = repository.createRepository(
      { repository: named('a.git') },
      { metadata: { 'gitaly-partitioning-hint': 'none.git' } },
    );
    await expect(creation).rejects.toMatchObject({
      code: statusCodes.NOT_FOUND,
      message: expect.stringMatching(/additional repository not found$/),
    });
    expect(await network.status(named('a.git'))).toBeUndefined();
  });
});
