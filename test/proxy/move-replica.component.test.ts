import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import type { Named } from '../support/fork-network.ts';
import { LocalForkNetwork } from '../support/local-fork-network.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { callTasks, SteadyLoad } from '../support/steady-load.ts';

jest.setTimeout(180_000);

let cluster: ProxyCluster;
let network: LocalForkNetwork;
let client: GitalyClient;
beforeAll(async () => {
  cluster = await ProxyCluster.start({ storages: 4, replicationFactor: 2, proxies: 2 });
  client = cluster.client();
  network = new LocalForkNetwork(cluster);
  await network.createSourceAndPool();
});
afterAll(() => cluster.stop());

/** Where a replica of it is, and where there is none. */
async function placesOf(repository: Named) {
  const { primary = '', replicas = [] } = (await network.status(repository)) ?? {};
  const holders = replicas.map(({ storage }) => storage);
  const other = holders.find((storage) => storage !== primary) ?? '';
  const free = cluster.nodes.map(({ name }) => name).filter((name) => !holders.includes(name));
  return { primary, other, holders, free };
}

async function ask(repository: Named, from: string, to: string): Promise<void> {
  const { relativePath } = repository;
  await client.admin.moveReplica({ virtualStorage: 'default', relativePath, from, to });
}

/** Waits until all that it has are these, in sync. */
async function isOn(repository: Named, holders: readonly string[]): Promise<void> {
  const wanted = holders.toSorted();
  await waitUntil(`${repository.relativePath} is on ${wanted.join(', ')}`, async () => {
    const there = (await placesOf(repository)).holders.toSorted();
    const inSync = await network.inSync(repository);
    return [there, inSync].every((names) => names.join() === wanted.join());
  });
}

describe('a replica that is moved', () => {
  test('is in sync elsewhere before it goes, the primary too, and no call fails', async () => {
    const repository = await network.fork('busy');
    const commit = await network.commit(repository, 'first');
    const tasks = callTasks('load', cluster.client(1), { repository, commit });
    const load = new SteadyLoad(tasks, { pauseMs: 20 });
    const { primary, other, free } = await placesOf(repository);
    const [to = ''] = free;
    await ask(repository, primary, to);
    await ask(repository, primary, to);
    await isOn(repository, [other, to]);
    await load.stop();
    expect(load.failures).toEqual([]);
    const { replicaPath = '' } = (await network.status(repository)) ?? {};
    const old = { storageName: primary, relativePath: replicaPath };
    const { exists } = await cluster
      .storageClient(primary)
      .repository.repositoryExists({ repository: old });
    expect(exists).toBe(false);
    for (const storage of [other, to]) expect(await network.faultsOf(repository, storage)).toBe('');
  });

  test('takes its object pool along, and the pool keeps what it has', async () => {
    const repository = await network.fork('borrowing');
    await network.link(repository);
    await network.tidy(network.pool, repository);
    const before = await network.inSync(network.pool);
    const { other, primary } = await placesOf(repository);
    const to = cluster.nodes.map(({ name }) => name).find((name) => !before.includes(name)) ?? '';
    await ask(repository, other, to);
    await isOn(repository, [primary, to]);
    expect(await network.inSync(network.pool)).toEqual([...before, to].toSorted());
    const { replicaPath } = (await network.status(network.pool)) ?? {};
    expect(await network.borrowsFrom(repository, to)).toBe(`${replicaPath}/objects`);
    expect(await network.faultsOf(repository, to)).toBe('');
  });

  test('stays if it must not go, with the reason', async () => {
    const { other, primary, free } = await placesOf(network.source);
    const [to = ''] = free;
    const refused = (code: number, message: string) => ({
      code,
      message: expect.stringContaining(message),
    });
    const { FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND } = statusCodes;
    await expect(ask(network.pool, other, to)).rejects.toMatchObject(
      refused(FAILED_PRECONDITION, 'an object pool stays'),
    );
    await expect(ask(network.source, other, primary)).rejects.toMatchObject(
      refused(FAILED_PRECONDITION, `a replica on ${primary} already`),
    );
    await expect(ask(network.source, other, 'nowhere')).rejects.toMatchObject(
      refused(INVALID_ARGUMENT, 'there is no storage nowhere'),
    );
    const unknown = { storageName: 'default', relativePath: 'group/unknown.git' };
    await expect(ask(unknown, other, to)).rejects.toMatchObject(refused(NOT_FOUND, 'not found'));
  });

  test('arrives when a storage and the proxy that was asked have been away', async () => {
    const repository = await network.fork('interrupted');
    const commit = await network.commit(repository, 'first');
    const { other, primary, free } = await placesOf(repository);
    const [to = ''] = free;
    await ask(repository, other, to);
    await cluster.node(to).stop();
    await cluster.proxies.shift()?.stop();
    await cluster.restartNode(to);
    network = new LocalForkNetwork(cluster);
    await isOn(repository, [primary, to]);
    const found = await network.client.commit.findCommit({
      repository,
      revision: Buffer.from('main'),
    });
    expect(found.commit?.id).toBe(commit);
  });
});
