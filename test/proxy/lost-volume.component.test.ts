import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/base/clock.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import type { ControlStore } from '../../src/proxy/store/control-store.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { connect, migrate } from '../../src/proxy/store/testing.ts';
import type { RpcError } from '../../src/rpc/rpc-error.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { commitFile } from '../support/commit-file.ts';
import { useDatabase } from '../support/postgres.ts';
import { ProxyCluster, waitUntil, type ProxyClusterOptions } from '../support/proxy-cluster.ts';
import { takeVolume } from '../support/storage-volume.ts';

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

const repository = { storageName: 'default', relativePath: 'group/project.git' };

async function start(options: ProxyClusterOptions) {
  cluster = await ProxyCluster.start(options);
  const client = cluster.client();
  await client.repository.createRepository({ repository });
  const commit = await commitFile(client, { repository, branch: 'main', text: 'kept' });
  return { running: cluster, client, commit };
}

/** A database for one cluster: the storages of another one would have other volumes. */
function usePostgres(): () => Promise<ControlStore> {
  const database = useDatabase();
  beforeAll(() => migrate(database.coordinates));
  return () => connect(database.coordinates);
}

async function statusOf(client: GitalyClient): Promise<RepositoryStatus> {
  const filter = { virtualStorage: 'default', relativePath: repository.relativePath };
  for await (const status of client.admin.listRepositories(filter)) return status;
  throw new Error('the repository is not listed');
}

async function storageStatus(client: GitalyClient, name: string) {
  const { virtualStorages } = await client.admin.getStatus({});
  const found = virtualStorages[0]?.storages.find((storage) => storage.name === name);
  if (found === undefined) throw new Error(`${name} is not listed`);
  return found;
}

async function headOf(client: GitalyClient): Promise<string> {
  const { commit } = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
  return commit?.id ?? '';
}

/** Whether all replicas are in sync, and the storage has the repository on its disk. */
async function isRebuilt(running: ProxyCluster, storage: string): Promise<boolean> {
  const client = running.client();
  const { replicas, replicaPath } = await statusOf(client);
  if (!replicas.every(({ inSync }) => inSync)) return false;
  const there = await running.storageClient(storage).repository.repositoryExists({
    repository: { storageName: storage, relativePath: replicaPath },
  });
  return there.exists;
}

/** Reads all the time, and keeps what was not right. A call that its storage's death broke off is. */
function startReading(client: GitalyClient, commit: string) {
  const wrong: string[] = [];
  let reads = 0;
  const over = new AbortController();
  const read = async () => {
    try {
      const head = await headOf(client);
      if (head !== commit) wrong.push(head);
      reads += 1;
    } catch (error) {
      const { code, message } = error as RpcError;
      if (code !== statusCodes.UNAVAILABLE) wrong.push(message);
    }
  };
  const run = (async () => {
    while (!over.signal.aborted) await read();
  })();
  return {
    get reads() {
      return reads;
    },
    async stop() {
      over.abort();
      await run;
      return wrong;
    },
  };
}

describe('a storage that comes back with an empty volume', () => {
  const openStore = usePostgres();

  it('serves no read before its replicas were copied anew, with two proxies at once', async () => {
    const { running, client, commit } = await start({ openStore, proxies: 2 });
    const { primary } = await statusOf(client);
    const readers = [0, 1].map((proxy) => startReading(running.client(proxy), commit));
    await takeVolume(running, primary);
    await running.restartNode(primary);
    await waitUntil('it is in sync again', () => isRebuilt(running, primary));
    const before = readers.map(({ reads }) => reads);
    await waitUntil('there were reads since', () =>
      readers.every(({ reads }, index) => reads > (before[index] ?? 0) + 5),
    );
    expect(await Promise.all(readers.map((reader) => reader.stop()))).toEqual([[], []]);
    expect((await storageStatus(client, primary)).healthy).toBe(true);
  });
});

describe('an empty volume in the place of the only replica that is in sync', () => {
  const openStore = usePostgres();

  it('is not used, and nothing is given up; the old volume is used again', async () => {
    const { running, client } = await start({ openStore, storages: 2, minInSyncReplicas: 1 });
    const { primary, replicas } = await statusOf(client);
    const other = replicas.find(({ storage }) => storage !== primary)?.storage ?? '';
    await running.node(other).kill();
    const last = await commitFile(client, { repository, branch: 'main', text: 'only there' });
    const before = await statusOf(client);

    const volume = await takeVolume(running, primary);
    await running.restartNode(primary);
    await running.restartNode(other);
    const advice = `and a repository is in sync on no other storage .* repository dataloss`;
    await waitUntil('it is told why', async () => {
      const { healthReason } = await storageStatus(client, primary);
      return new RegExp(advice).test(healthReason);
    });
    await waitUntil('the other storage can be reached', async () => {
      return (await storageStatus(client, other)).healthy;
    });
    await expect(headOf(client)).rejects.toMatchObject({ code: statusCodes.UNAVAILABLE });
    expect(await statusOf(client)).toEqual(before);
    const metrics = await metricsOf(running);
    const labels = `{virtual_storage="default",storage="${primary}"}`;
    expect(metrics).toContain(`gitaly_proxy_storage_volume_replaced${labels} 1`);
    expect(metrics).toContain(`gitaly_proxy_storage_volume_only_replicas${labels} 1`);

    await volume.putBack();
    await running.restartNode(primary);
    await waitUntil('it is read again', () =>
      headOf(client).then(
        (head) => head === last,
        () => false,
      ),
    );
    await waitUntil('the other one is in sync', () => isRebuilt(running, other));
    expect(await metricsOf(running)).toContain(`gitaly_proxy_storage_volume_replaced${labels} 0`);
  });
});

describe('another volume that a person accepts', () => {
  const openStore = usePostgres();

  it('is taken as it is for what is in sync nowhere else', async () => {
    const { running, client, commit } = await start({
      openStore,
      storages: 1,
      minInSyncReplicas: 1,
    });
    const [storage = ''] = running.nodes.map(({ name }) => name);
    const { storagePath } = running.node(storage);
    const name = { virtualStorage: 'default', storage };
    await expect(client.admin.acceptVolume(name)).rejects.toMatchObject({
      code: statusCodes.FAILED_PRECONDITION,
    });
    await running.node(storage).kill();
    // As when all was copied to another volume, but for Gitaly's own file.
    await rm(join(storagePath, '.gitaly-metadata'));
    await running.restartNode(storage);
    await waitUntil('it is told why', async () => {
      const { healthReason } = await storageStatus(client, storage);
      return /a repository is in sync on no other/.test(healthReason);
    });
    await expect(headOf(client)).rejects.toMatchObject({ code: statusCodes.UNAVAILABLE });
    expect(await client.admin.acceptVolume(name)).toMatchObject({ kept: 1n });
    await waitUntil('it is used', async () => (await storageStatus(client, storage)).healthy);
    expect(await headOf(client)).toBe(commit);
    const nowhere = client.admin.acceptVolume({ ...name, storage: 'nowhere' });
    await expect(nowhere).rejects.toMatchObject({ code: statusCodes.INVALID_ARGUMENT });
  });
});

describe('a storage that comes back while the control store is away', () => {
  it('is used with the volume that it had, and with no other', async () => {
    const store = createMemoryStore({ clock: systemClock });
    const { running, client, commit } = await start({ openStore: async () => store });
    const [first = '', second = ''] = running.nodes.map(({ name }) => name);
    const isHealthy = async (name: string) => (await storageStatus(client, name)).healthy;
    store.disconnect();
    await running.node(first).kill();
    await waitUntil('its loss is noticed', async () => !(await isHealthy(first)));
    await running.restartNode(first);
    await waitUntil('it is used', () => isHealthy(first));

    await takeVolume(running, second);
    await running.restartNode(second);
    await waitUntil('the other volume is noticed', async () => {
      const { healthReason } = await storageStatus(client, second);
      return /another volume than before.*bring the control store back/.test(healthReason);
    });
    expect(await headOf(client)).toBe(commit);
    store.reconnect();
    await waitUntil('it is in sync again', () => isRebuilt(running, second));
  });
});

async function metricsOf(running: ProxyCluster): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${running.proxies[0]?.httpPort}/metrics`);
  return response.text();
}
