import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { commitFile } from '../support/commit-file.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';

const repairLimitMs = 60_000;
const all = ['gitaly-0', 'gitaly-1', 'gitaly-2', 'gitaly-3'];

let cluster: ProxyCluster;
let client: GitalyClient;
beforeAll(async () => {
  cluster = await ProxyCluster.start({
    storages: all.length,
    replicationFactor: 2,
    minInSyncReplicas: 1,
    proxies: 2,
  });
  client = cluster.client();
});
afterAll(() => cluster.stop());

async function create(relativePath: string) {
  const repository = { storageName: 'default', relativePath };
  await client.repository.createRepository({ repository });
  await commitFile(client, { repository, branch: 'main', text: 'first' });
  const set = async (replicationFactor: number) => {
    const request = { virtualStorage: 'default', relativePath, replicationFactor };
    return (await client.praefectInfo.setReplicationFactor(request)).storages;
  };
  const metadata = () =>
    client.praefectInfo.getRepositoryMetadata({
      query: { case: 'path', value: { virtualStorage: 'default', relativePath } },
    });
  const inSync = async () => {
    const { generation, replicas } = await metadata();
    return replicas
      .filter((replica) => replica.assigned && replica.generation === generation)
      .map(({ storage }) => storage)
      .toSorted();
  };
  return { repository, set, metadata, inSync };
}

test(
  'a repository gets more replicas, and fewer again, while it is used',
  async () => {
    const { repository, set, metadata, inSync } = await create('group/project.git');
    expect(await set(4)).toEqual(all);
    await waitUntil('four are in sync', async () => (await inSync()).length === 4, repairLimitMs);
    await commitFile(client, { repository, branch: 'main', text: 'second' });

    const kept = await set(2);
    expect(kept).toHaveLength(2);
    expect(await inSync()).toEqual(kept);
    const { primary, replicaPath } = await metadata();
    expect(kept).toContain(primary);
    const third = await commitFile(client, { repository, branch: 'main', text: 'third' });
    const revision = Buffer.from('main');
    const other = cluster.client(1);
    const found = async () => (await other.commit.findCommit({ repository, revision })).commit?.id;
    await waitUntil(
      'the others are removed',
      async () => {
        expect(await found()).toBe(third);
        return (await metadata()).replicas.length === 2;
      },
      repairLimitMs,
    );
    const holders = [];
    for (const storageName of all) {
      const { exists } = await cluster.storageClient(storageName).repository.repositoryExists({
        repository: { storageName, relativePath: replicaPath },
      });
      if (exists) holders.push(storageName);
    }
    expect(holders).toEqual(kept);
    expect(await set(2)).toEqual(kept);
  },
  3 * repairLimitMs,
);

test('an object pool keeps its replicas', async () => {
  const hash = 'ab'.repeat(32);
  const { set } = await create(`@pools/ab/ab/${hash}.git`);
  expect(await set(3)).toHaveLength(3);
  await expect(set(2)).rejects.toMatchObject({
    code: statusCodes.FAILED_PRECONDITION,
    message: expect.stringContaining('an object pool keeps its replicas'),
  });
});

describe('a replication factor is refused', () => {
  const { INVALID_ARGUMENT, FAILED_PRECONDITION } = statusCodes;
  const path = { virtualStorage: 'default', relativePath: 'group/second.git' };
  beforeAll(async () => {
    await create(path.relativePath);
  });

  test.each([
    [
      'of nothing',
      { replicationFactor: 0 },
      INVALID_ARGUMENT,
      'attempted to set replication factor 0 but minimum is 1',
    ],
    [
      'of more than there are storages',
      { replicationFactor: 5 },
      INVALID_ARGUMENT,
      'attempted to set replication factor 5 but virtual storage only contains 4 storages',
    ],
    [
      'that repair would undo',
      { replicationFactor: 1 },
      FAILED_PRECONDITION,
      'asks for 2 replicas of each repository: lower replicationFactor there first',
    ],
    [
      'for another virtual storage',
      { replicationFactor: 3, virtualStorage: 'other' },
      INVALID_ARGUMENT,
      'virtual storage "other" not found',
    ],
    [
      'for no repository',
      { replicationFactor: 3, relativePath: 'other.git' },
      INVALID_ARGUMENT,
      'repository "default"/"other.git" not found',
    ],
  ])('%s', async (_, request, code, message) => {
    await expect(
      client.praefectInfo.setReplicationFactor({ ...path, ...request }),
    ).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });
});
