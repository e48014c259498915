import { afterEach, describe, expect, it } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { RpcError } from '../../src/rpc/rpc-error.ts';
import { statusCodes } from '../../src/rpc/status.ts';
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
  return { cluster, client: cluster.client() };
}

async function statusOf(client: GitalyClient): Promise<RepositoryStatus> {
  const filter = { virtualStorage: 'default', relativePath: repository.relativePath };
  for await (const status of client.admin.listRepositories(filter)) return status;
  throw new Error('the repository is not listed');
}

/** Makes a commit on a branch, and returns its id. */
function commit(client: GitalyClient, branch: string, text: string): Promise<string> {
  return commitFile(client, { repository, branch, text });
}

async function checksums(running: ProxyCluster, status: RepositoryStatus): Promise<string[]> {
  return Promise.all(
    status.replicas
      .filter((replica) => replica.inSync)
      .map(async ({ storage }) => {
        const { checksum } = await running.storageClient(storage).repository.calculateChecksum({
          repository: { storageName: storage, relativePath: status.replicaPath },
        });
        return checksum;
      }),
  );
}

describe('a repository on three storages', () => {
  it('is created, written, read and removed', async () => {
    const { client, cluster: running } = await start();
    expect((await client.repository.repositoryExists({ repository })).exists).toBe(false);
    await client.repository.createRepository({ repository });
    expect((await client.repository.repositoryExists({ repository })).exists).toBe(true);
    await expect(client.repository.createRepository({ repository })).rejects.toMatchObject({
      code: statusCodes.ALREADY_EXISTS,
    });

    const id = await commit(client, 'main', 'first');
    expect(id).toMatch(/^[0-9a-f]{40}$/);
    const found = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    expect(found.commit?.id).toBe(id);

    const status = await statusOf(client);
    expect(status.replicas.map((replica) => replica.inSync)).toEqual([true, true, true]);
    expect(new Set(await checksums(running, status)).size).toBe(1);

    await client.repository.removeRepository({ repository });
    expect((await client.repository.repositoryExists({ repository })).exists).toBe(false);
    await expect(client.ref.findDefaultBranchName({ repository })).rejects.toMatchObject({
      code: statusCodes.NOT_FOUND,
      message: 'repository not found',
    });
  });

  it('goes on being written and read when its primary dies, and the primary comes back in sync', async () => {
    const { client, cluster: running } = await start();
    await client.repository.createRepository({ repository });
    await commit(client, 'main', 'first');
    const { primary } = await statusOf(client);

    await running.node(primary).stop();
    const second = await commit(client, 'main', 'second');
    const found = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    expect(found.commit?.id).toBe(second);
    const degraded = await statusOf(client);
    expect(degraded.primary).not.toBe(primary);
    expect(degraded.replicas.filter((replica) => replica.inSync)).toHaveLength(2);

    await running.restartNode(primary);
    await waitUntil('all replicas are in sync again', async () => {
      const { replicas } = await statusOf(client);
      return replicas.every((replica) => replica.inSync);
    });
    const mended = await statusOf(client);
    expect(new Set(await checksums(running, mended)).size).toBe(1);
  });

  it('refuses writes with too few replicas in reach, and goes on reading', async () => {
    const { client, cluster: running } = await start();
    await client.repository.createRepository({ repository });
    const first = await commit(client, 'main', 'first');
    const { primary } = await statusOf(client);
    await Promise.all(
      running.nodes.filter((node) => node.name !== primary).map((node) => node.stop()),
    );

    await expect(commit(client, 'main', 'second')).rejects.toMatchObject({
      code: statusCodes.UNAVAILABLE,
    });
    const found = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    expect(found.commit?.id).toBe(first);
  });

  it('holds a write until a replica is repaired that is needed for it', async () => {
    const { client, cluster: running } = await start();
    await client.repository.createRepository({ repository });
    await commit(client, 'main', 'first');
    const { primary } = await statusOf(client);
    const [behind, other] = running.nodes.filter(({ name }) => name !== primary);
    if (behind === undefined || other === undefined) throw new Error('there are three storages');
    behind.faults.add({ step: 'vote', phase: 'PREPARED', action: { kind: 'differ' }, times: 1 });
    behind.faults.add({ step: 'call', method: 'ReplicateRepository', action: { kind: 'hang' } });
    await commit(client, 'main', 'second');
    await waitUntil('its repair has begun', async () => {
      const { replicas } = await statusOf(client);
      return replicas.some(
        ({ storage, repairedBy }) => storage === behind.name && repairedBy !== '',
      );
    });
    await other.stop();
    await waitUntil('the proxy knows that the other is away', async () => {
      const { virtualStorages } = await client.admin.getStatus({});
      const known = virtualStorages.flatMap(({ storages }) => storages);
      return known.some(({ name, healthy }) => name === other.name && !healthy);
    });

    const held = commit(client, 'main', 'third');
    behind.faults.clear();
    const third = await held;
    const found = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    expect(found.commit?.id).toBe(third);
  });

  it('is the same through every proxy, at once', async () => {
    const { client, cluster: running } = await start({ proxies: 3 });
    await client.repository.createRepository({ repository });
    const others = [running.client(1), running.client(2)];
    for (const text of ['a', 'b', 'c']) {
      const id = await commit(client, 'main', text);
      for (const other of others) {
        const found = await other.commit.findCommit({ repository, revision: Buffer.from('main') });
        expect(found.commit?.id).toBe(id);
      }
    }
  });

  it('keeps replicas equal when several proxies write at the same time', async () => {
    const { client, cluster: running } = await start({ proxies: 3 });
    await client.repository.createRepository({ repository });
    const clients = [client, running.client(1), running.client(2)];
    await Promise.all(
      clients.map(async (writer, index) => {
        for (let round = 0; round < 5; round++) {
          await commit(writer, `branch-${index}`, `${index}-${round}`);
        }
      }),
    );
    await waitUntil('all replicas are in sync', async () => {
      const { replicas, intents } = await statusOf(client);
      return intents === 0 && replicas.every((replica) => replica.inSync);
    });
    const status = await statusOf(client);
    expect(new Set(await checksums(running, status)).size).toBe(1);
  });
});

describe('bad input', () => {
  it('is answered with the status that clients of Gitaly know', async () => {
    const { client } = await start();
    const missing = client.ref.findDefaultBranchName({ repository });
    await expect(missing).rejects.toMatchObject({ code: statusCodes.NOT_FOUND });
    const unknown = { storageName: 'other', relativePath: 'a.git' };
    await expect(client.ref.findDefaultBranchName({ repository: unknown })).rejects.toEqual(
      new RpcError(statusCodes.INVALID_ARGUMENT, 'storage name not found'),
    );
    await expect(client.ref.findDefaultBranchName({})).rejects.toMatchObject({
      code: statusCodes.INVALID_ARGUMENT,
      message: 'repository not set',
    });
  });
});
