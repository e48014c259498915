import { afterEach, describe, expect, it } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { commitFile } from '../support/commit-file.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';

const repository = { storageName: 'default', relativePath: 'group/project.git' };

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start(options: Parameters<typeof ProxyCluster.start>[0] = {}) {
  cluster = await ProxyCluster.start(options);
  return { running: cluster, client: cluster.client() };
}

async function sums(client: GitalyClient) {
  const { virtualStorages } = await client.admin.getStatus({});
  const [{ fullyReplicated, degraded, atRisk, unavailable } = {}] = virtualStorages;
  return [fullyReplicated, degraded, atRisk, unavailable].map(Number);
}

async function unhealthy(client: GitalyClient): Promise<number> {
  const { virtualStorages } = await client.admin.getStatus({});
  return virtualStorages[0]?.storages.filter(({ healthy }) => !healthy).length ?? 0;
}

async function inSync(client: GitalyClient): Promise<number> {
  const { relativePath } = repository;
  for await (const { replicas } of client.admin.listRepositories({
    virtualStorage: 'default',
    relativePath,
  })) {
    return replicas.filter((replica) => replica.inSync).length;
  }
  return 0;
}

describe('a repository with fewer replicas than it should have', () => {
  it('gets the one that could not be made when it was created', async () => {
    const { running, client } = await start();
    await running.node('gitaly-1').stop();
    await waitUntil('the loss is known', async () => (await unhealthy(client)) === 1);
    await client.repository.createRepository({ repository });
    await commitFile(client, { repository, branch: 'main', text: 'first' });
    expect(await sums(client)).toEqual([0, 1, 0, 0]);
    await running.restartNode('gitaly-1');
    await waitUntil('the third replica is in sync', async () => (await inSync(client)) === 3);
    expect(await sums(client)).toEqual([1, 0, 0, 0]);
  });

  it('gets one more when the configuration asks for it', async () => {
    const { running, client } = await start({ replicationFactor: 2 });
    await client.repository.createRepository({ repository });
    await commitFile(client, { repository, branch: 'main', text: 'first' });
    expect(await inSync(client)).toBe(2);
    await running.proxies.pop()?.stop();
    await running.startProxy({ replicationFactor: 3 });
    const again = running.client();
    await waitUntil('the third replica is in sync', async () => (await inSync(again)) === 3);
  });
});

describe('a new repository', () => {
  it('waits for storages that are just starting', async () => {
    const { running, client } = await start();
    await Promise.all(['gitaly-1', 'gitaly-2'].map((name) => running.node(name).stop()));
    await waitUntil('the loss is known', async () => (await unhealthy(client)) === 2);
    const created = client.repository.createRepository({ repository });
    await running.restartNode('gitaly-1');
    await created;
    expect(await sums(client)).toEqual([0, 1, 0, 0]);
  });

  it('is refused in the end if too few can be reached', async () => {
    const { running, client } = await start();
    await Promise.all(['gitaly-1', 'gitaly-2'].map((name) => running.node(name).stop()));
    await waitUntil('the loss is known', async () => (await unhealthy(client)) === 2);
    await expect(client.repository.createRepository({ repository })).rejects.toThrow(
      'a new repository needs 2 storages, and 1 of 3 can be reached',
    );
  });
});

describe('the state of the data', () => {
  it('counts only replicas on storages that can be reached', async () => {
    const { running, client } = await start();
    await client.repository.createRepository({ repository });
    expect(await sums(client)).toEqual([1, 0, 0, 0]);
    await running.node('gitaly-0').stop();
    await waitUntil('one replica is missed', async () => (await sums(client))[1] === 1);
    await running.node('gitaly-1').stop();
    await waitUntil('two replicas are missed', async () => (await sums(client))[2] === 1);
    await running.node('gitaly-2').stop();
    await waitUntil('no replica is left', async () => (await sums(client))[3] === 1);
    await running.restartNode('gitaly-0');
    await running.restartNode('gitaly-1');
    await running.restartNode('gitaly-2');
    await waitUntil('all are back', async () => (await sums(client))[0] === 1);
  });
});
