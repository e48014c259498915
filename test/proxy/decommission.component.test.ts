import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { commitFile } from '../support/commit-file.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { callTasks, SteadyLoad } from '../support/steady-load.ts';

const leaving = ['gitaly-3', 'gitaly-4'];

jest.setTimeout(180_000);

let cluster: ProxyCluster;
beforeAll(async () => {
  cluster = await ProxyCluster.start({ storages: 5, replicationFactor: 3, minInSyncReplicas: 2 });
});
afterAll(() => cluster.stop());

async function create(client: GitalyClient, relativePath: string) {
  const repository = { storageName: 'default', relativePath };
  await client.repository.createRepository({ repository });
  const commit = await commitFile(client, { repository, branch: 'main', text: 'first' });
  return { repository, commit };
}

async function replicasOn(client: GitalyClient, storages: readonly string[]): Promise<number> {
  const { virtualStorages } = await client.admin.getStatus({});
  return virtualStorages
    .flatMap((virtualStorage) => virtualStorage.storages)
    .filter(({ name }) => storages.includes(name))
    .reduce((sum, { replicas }) => sum + Number(replicas), 0);
}

async function storagesOf(client: GitalyClient, relativePath: string): Promise<readonly string[]> {
  const filter = { virtualStorage: 'default', relativePath };
  for await (const { replicas } of client.admin.listRepositories(filter)) {
    return replicas.map(({ storage }) => storage);
  }
  throw new Error('the repository is not listed');
}

test('storages that are decommissioned are empty in the end, and no call fails', async () => {
  const before = cluster.client();
  const repositories = [];
  for (let number = 0; number < 12; number++) {
    repositories.push(await create(before, `group/project-${number}.git`));
  }
  const onLeaving = await replicasOn(before, leaving);
  expect(onLeaving).toBeGreaterThan(0);

  await cluster.startProxy({ decommissioned: leaving });
  await cluster.proxies[0]?.stop();
  const client = cluster.client(1);
  const tasks = repositories
    .slice(0, 3)
    .flatMap((each, at) => callTasks(`load-${at}`, client, each));
  const load = new SteadyLoad(tasks, { pauseMs: 20 });
  await waitUntil(
    'nothing is left there',
    async () => (await replicasOn(client, leaving)) === 0,
    120_000,
  );
  await create(client, 'group/new.git');
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(await storagesOf(client, 'group/new.git')).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^gitaly-[34]$/)]),
  );

  for (const name of leaving) await cluster.node(name).stop();
  for (const { repository } of repositories) {
    const commit = await commitFile(client, { repository, branch: 'main', text: 'second' });
    const found = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    expect(found.commit?.id).toBe(commit);
    expect(await storagesOf(client, repository.relativePath)).toHaveLength(3);
  }
});
