import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { ServerService } from '../../src/gen/gitaly/server_pb.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { unary } from '../storage-node/grpc/handler.ts';
import { ProxyCluster, waitUntil, type ProxyClusterOptions } from '../support/proxy-cluster.ts';

jest.setTimeout(180_000);

const virtualStorage = 'default';
const names = ['gitaly-0', 'gitaly-1', 'gitaly-2'];

const clusters: ProxyCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stop();
});

/** Three storages of 1000 bytes, each repository on one of them. */
async function start(
  freeOn: (storage: string) => bigint = () => 500n,
  options: ProxyClusterOptions = {},
): Promise<ProxyCluster> {
  const cluster = await ProxyCluster.start({
    replicationFactor: 1,
    minInSyncReplicas: 1,
    handlers: (storageName) => [
      unary(ServerService.method.diskStatistics, async () => {
        const available = freeOn(storageName);
        return { storageStatuses: [{ storageName, available, used: 1000n - available }] };
      }),
    ],
    ...options,
  });
  clusters.push(cluster);
  return cluster;
}

async function statusOf(client: GitalyClient, storage: string) {
  const { virtualStorages } = await client.admin.getStatus({});
  const found = virtualStorages[0]?.storages.find(({ name }) => name === storage);
  if (found === undefined) throw new Error(`there is no storage ${storage}`);
  return found;
}

let lastRepository = 0;

/** Makes a repository, and returns what is known of it. */
async function create(client: GitalyClient): Promise<RepositoryStatus> {
  const relativePath = `group/project-${++lastRepository}.git`;
  const repository = { storageName: virtualStorage, relativePath };
  await client.repository.createRepository({ repository });
  for await (const status of client.admin.listRepositories({ virtualStorage, relativePath })) {
    return status;
  }
  throw new Error(`there is no ${relativePath}`);
}

/** The storages that get `count` new repositories with one replica. */
async function placed(client: GitalyClient, count = 25): Promise<ReadonlySet<string>> {
  const storages = new Set<string>();
  for (let index = 0; index < count; index++) storages.add((await create(client)).primary);
  return storages;
}

/** Waits until every proxy goes by it. */
async function untilWeighs(
  cluster: ProxyCluster,
  storage: string,
  expected: { readonly weight: number; readonly configuredWeight?: number },
): Promise<void> {
  for (const index of cluster.proxies.keys()) {
    await waitUntil(`${storage} weighs ${expected.weight}`, async () => {
      const { weight, configuredWeight } = await statusOf(cluster.client(index), storage);
      return weight === expected.weight && configuredWeight === expected.configuredWeight;
    });
  }
}

describe('new repositories', () => {
  it('go to no storage whose weight somebody has set to zero, whichever proxy makes them', async () => {
    const cluster = await start(undefined, { proxies: 2 });
    const [one, other] = [cluster.client(0), cluster.client(1)];
    const storage = { virtualStorage, storage: 'gitaly-1' };
    await one.admin.setStorageWeight({ ...storage, weight: 0 });
    await untilWeighs(cluster, 'gitaly-1', { weight: 0, configuredWeight: 0 });
    for (const client of [one, other]) {
      expect(await placed(client)).toEqual(new Set(['gitaly-0', 'gitaly-2']));
    }
    await other.admin.setStorageWeight(storage);
    await untilWeighs(cluster, 'gitaly-1', { weight: 100 });
    expect(await placed(one)).toEqual(new Set(names));
  });

  it('go where there is room, and nowhere else', async () => {
    const free = new Map([
      ['gitaly-0', 49n],
      ['gitaly-1', 150n],
      ['gitaly-2', 350n],
    ]);
    const cluster = await start((storage) => free.get(storage) ?? 0n);
    const client = cluster.client();
    await untilWeighs(cluster, 'gitaly-0', { weight: 0 });
    await untilWeighs(cluster, 'gitaly-1', { weight: 50 });
    expect(await statusOf(client, 'gitaly-0')).toMatchObject({ full: true, weight: 0 });
    expect(await statusOf(client, 'gitaly-2')).toMatchObject({
      full: false,
      weight: 150,
      freeBytes: 350n,
      totalBytes: 1000n,
    });
    expect(await placed(client)).toEqual(new Set(['gitaly-1', 'gitaly-2']));
    // By hand it counts as full all the same.
    await client.admin.setStorageWeight({ virtualStorage, storage: 'gitaly-0', weight: 100 });
    await untilWeighs(cluster, 'gitaly-0', { weight: 0, configuredWeight: 100 });
  });

  it('go to no storage while it is drained; then its weight is as before, whoever has died meanwhile', async () => {
    const cluster = await start();
    const first = cluster.client();
    const storage = { virtualStorage, storage: 'gitaly-2' };
    await first.admin.setStorageWeight({ ...storage, weight: 70 });
    await first.admin.requestDrain({ ...storage, requester: 'operator', reason: 'a new image' });
    await waitUntil(
      'it is drained',
      async () => (await statusOf(first, 'gitaly-2')).drain?.drained === true,
    );
    expect(await placed(first)).toEqual(new Set(['gitaly-0', 'gitaly-1']));
    // Nobody is left who could remember what the weight was, or that there was a drain.
    await cluster.proxies[0]?.stop();
    await cluster.startProxy();
    const second = cluster.client(1);
    expect((await statusOf(second, 'gitaly-2')).configuredWeight).toBe(70);
    expect(await placed(second)).toEqual(new Set(['gitaly-0', 'gitaly-1']));
    await second.admin.cancelDrain({ ...storage, requester: 'operator' });
    await waitUntil('new ones go there', async () => (await placed(second, 1)).has('gitaly-2'));
    expect(await statusOf(second, 'gitaly-2')).toMatchObject({ weight: 70, configuredWeight: 70 });
  });

  it('are in as many zones as there are, also while one of these is drained', async () => {
    const zones = ['x', 'y', 'z', 'x', 'y', 'z'];
    const zoneOf = (storage: string) => zones[Number(storage.split('-')[1])] ?? '';
    const cluster = await start(undefined, {
      storages: 6,
      replicationFactor: 3,
      minInSyncReplicas: 2,
      proxies: 2,
    });
    const client = cluster.client();
    for (const { name: storage } of cluster.nodes) {
      const zone = zoneOf(storage);
      await cluster.client(1).admin.setStorageZone({ virtualStorage, storage, zone });
    }
    const zonesOf = ({ replicas }: Pick<RepositoryStatus, 'replicas'>) =>
      replicas.map(({ storage }) => zoneOf(storage)).toSorted();
    await waitUntil(
      'it knows the zones',
      async () => (await statusOf(client, 'gitaly-5')).zone === 'z',
    );
    for (let index = 0; index < 10; index++) {
      expect(zonesOf(await create(client))).toEqual(['x', 'y', 'z']);
    }
    for (const storage of ['gitaly-2', 'gitaly-5']) {
      const drain = { virtualStorage, storage, requester: 'operator', reason: 'a new image' };
      await client.admin.requestDrain(drain);
      await waitUntil(
        'it is drained',
        async () => (await statusOf(client, storage)).drain?.drained === true,
      );
    }
    for (let index = 0; index < 10; index++) {
      const repository = await create(client);
      expect(zonesOf(repository)).toEqual(['x', 'y', 'z']);
      expect(zoneOf(repository.primary)).not.toBe('z');
    }
    const { relativePath } = await create(client);
    const { storages } = await client.praefectInfo.setReplicationFactor({
      virtualStorage,
      relativePath,
      replicationFactor: 5,
    });
    const counts = ['x', 'y', 'z'].map((zone) => storages.filter((it) => zoneOf(it) === zone));
    expect(counts.map(({ length }) => length).toSorted((a, b) => a - b)).toEqual([1, 2, 2]);
  });

  it.each([
    [{ storage: 'gitaly-9' }, 'there is no storage gitaly-9 in a virtual storage default'],
    [{ virtualStorage: 'none' }, 'there is no storage gitaly-0 in a virtual storage none'],
    [{ weight: 10_001 }, 'a weight is a number of 0 to 10000'],
  ])('have no weight that nobody can mean: %#', async (wrong, message) => {
    const client = (await start()).client();
    const request = { virtualStorage, storage: 'gitaly-0', weight: 1, ...wrong };
    await expect(client.admin.setStorageWeight(request)).rejects.toMatchObject({
      code: statusCodes.INVALID_ARGUMENT,
      message: expect.stringContaining(message),
    });
  });
});
