import { afterEach, describe, expect, test } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { RepositoryService } from '../../src/gen/gitaly/repository_pb.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { unary } from '../storage-node/grpc/handler.ts';
import { Code, RpcError } from '../storage-node/grpc/status.ts';
import { commitFile } from '../support/commit-file.ts';
import { ProxyCluster, waitUntil, type ProxyClusterOptions } from '../support/proxy-cluster.ts';

const repository = { storageName: 'default', relativePath: 'group/project.git' };
const path = { virtualStorage: 'default', relativePath: repository.relativePath };

/** Repairs that fail at first are tried again ever later. */
const repairLimitMs = 60_000;
const testLimitMs = 2 * repairLimitMs;

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start(options: ProxyClusterOptions = {}) {
  cluster = await ProxyCluster.start({ minInSyncReplicas: 1, ...options });
  const client = cluster.client();
  await client.repository.createRepository({ repository });
  return { running: cluster, client };
}

/** A cluster in which `gitaly-2` holds the first of two commits, and only it can be reached. */
async function startWithLoss(options: ProxyClusterOptions = {}) {
  const { running, client } = await start(options);
  const first = await commitFile(client, { repository, branch: 'main', text: 'first' });
  await running.node('gitaly-2').stop();
  await waitUntilHealthy(client, ['gitaly-0', 'gitaly-1']);
  await commitFile(client, { repository, branch: 'main', text: 'second' });
  await running.node('gitaly-0').stop();
  await running.node('gitaly-1').stop();
  await running.restartNode('gitaly-2');
  for (const [index] of running.proxies.entries()) {
    await waitUntilHealthy(running.client(index), ['gitaly-2']);
  }
  return { running, client, first };
}

async function waitUntilHealthy(client: GitalyClient, expected: readonly string[]): Promise<void> {
  await waitUntil(`only ${expected.join(' and ')} can be reached`, async () => {
    const { virtualStorages } = await client.admin.getStatus({});
    const healthy = virtualStorages[0]?.storages.filter((storage) => storage.healthy) ?? [];
    return healthy.map(({ name }) => name).join() === expected.join();
  });
}

async function losses(client: GitalyClient, includePartiallyReplicated = false) {
  const found = [];
  const request = { virtualStorage: 'default', includePartiallyReplicated };
  for await (const { repositories } of client.praefectInfo.dataloss(request)) {
    found.push(...repositories);
  }
  return found;
}

async function mainOf(client: GitalyClient): Promise<string | undefined> {
  const revision = Buffer.from('refs/heads/main');
  return (await client.commit.findCommit({ repository, revision })).commit?.id;
}

async function inSync(client: GitalyClient): Promise<number> {
  const query = { case: 'path', value: path } as const;
  const { generation, replicas } = await client.praefectInfo.getRepositoryMetadata({ query });
  return replicas.filter((replica) => replica.generation === generation).length;
}

describe('after the loss of all replicas that are in sync', () => {
  test(
    'the loss is shown, accepted, and then the repository works again',
    async () => {
      const { running, client, first } = await startWithLoss({ proxies: 2 });
      const other = running.client(1);
      await expect(mainOf(other)).rejects.toMatchObject({ code: statusCodes.UNAVAILABLE });
      const lost = { assigned: true, healthy: false, validPrimary: false, behindBy: 0n };
      const left = { assigned: true, healthy: true, validPrimary: false, behindBy: 1n };
      expect(await losses(client)).toMatchObject([
        {
          relativePath: repository.relativePath,
          unavailable: true,
          storages: expect.arrayContaining([
            expect.objectContaining({ name: 'gitaly-0', ...lost }),
            expect.objectContaining({ name: 'gitaly-1', ...lost }),
            expect.objectContaining({ name: 'gitaly-2', ...left }),
          ]),
        },
      ]);

      await client.praefectInfo.setAuthoritativeStorage({
        ...path,
        authoritativeStorage: 'gitaly-2',
      });

      expect(await mainOf(client)).toBe(first);
      expect(await mainOf(other)).toBe(first);
      expect(await losses(client)).toEqual([]);
      expect(await losses(client, true)).toMatchObject([
        { primary: 'gitaly-2', unavailable: false },
      ]);
      const third = await commitFile(other, { repository, branch: 'main', text: 'third' });
      await running.restartNode('gitaly-0');
      await running.restartNode('gitaly-1');
      await waitUntil('all are in sync', async () => (await inSync(client)) === 3, repairLimitMs);
      const { primary, replicas } = await client.praefectInfo.repositoryReplicas({ repository });
      expect(primary?.repository).toMatchObject({ ...repository, storageName: 'gitaly-2' });
      expect(replicas.map(({ checksum }) => checksum)).toEqual([
        primary?.checksum,
        primary?.checksum,
      ]);
      expect(await mainOf(client)).toBe(third);
      const { commit } = await client.commit.findCommit({
        repository,
        revision: Buffer.from(third),
      });
      expect(commit?.parentIds).toEqual([first]);
      await waitUntil('nothing is missed', async () => (await losses(client, true)).length === 0);
    },
    testLimitMs,
  );

  test('a storage that cannot be reached is not taken', async () => {
    const { client } = await startWithLoss();
    const accept = client.praefectInfo.setAuthoritativeStorage({
      ...path,
      authoritativeStorage: 'gitaly-0',
    });
    await expect(accept).rejects.toMatchObject({
      code: statusCodes.FAILED_PRECONDITION,
      message: expect.stringContaining('storage gitaly-0 does not show that it has the repository'),
    });
    expect(await losses(client)).toHaveLength(1);
  });
});

describe('a loss is not accepted', () => {
  const { FAILED_PRECONDITION, INVALID_ARGUMENT } = statusCodes;

  test(
    'while a replica that is in sync can be reached',
    async () => {
      let broken = false;
      const { replicateRepository } = RepositoryService.method;
      const { running, client } = await start({
        handlers: (storage) =>
          storage === 'gitaly-2'
            ? [
                unary(replicateRepository, async () => {
                  broken = true;
                  throw new RpcError(Code.INTERNAL, 'the disk is full');
                }),
              ]
            : [],
      });
      await running.node('gitaly-2').stop();
      await waitUntilHealthy(client, ['gitaly-0', 'gitaly-1']);
      await commitFile(client, { repository, branch: 'main', text: 'second' });
      await running.restartNode('gitaly-2');
      await waitUntil('a repair has failed', () => broken, repairLimitMs);
      await waitUntil('people can see why', async () => {
        for await (const { replicas } of client.admin.listRepositories(path)) {
          return replicas.some(({ lastFailure }) => lastFailure.includes('the disk is full'));
        }
        return false;
      });
      const accept = client.praefectInfo.setAuthoritativeStorage({
        ...path,
        authoritativeStorage: 'gitaly-2',
      });
      await expect(accept).rejects.toMatchObject({
        code: FAILED_PRECONDITION,
        message: expect.stringMatching(
          /nothing has to be lost, since these are in sync and answer: /,
        ),
      });
      expect(await losses(client)).toEqual([]);
      expect(await losses(client, true)).toMatchObject([{ unavailable: false }]);
    },
    testLimitMs,
  );

  test('for what does not exist', async () => {
    const { client } = await start();
    const accept = (request: object) =>
      client.praefectInfo.setAuthoritativeStorage({
        ...path,
        authoritativeStorage: 'gitaly-0',
        ...request,
      });
    await expect(accept({ virtualStorage: 'other' })).rejects.toMatchObject({
      code: INVALID_ARGUMENT,
      message: expect.stringContaining('unknown virtual storage: "other"'),
    });
    await expect(accept({ authoritativeStorage: 'gitaly-9' })).rejects.toMatchObject({
      code: INVALID_ARGUMENT,
      message: expect.stringContaining('unknown authoritative storage: "gitaly-9"'),
    });
    await expect(accept({ relativePath: 'other.git' })).rejects.toMatchObject({
      code: INVALID_ARGUMENT,
      message: expect.stringContaining('repository does not exist on virtual storage'),
    });
  });
});

describe('the metadata of a repository', () => {
  test('is found by its path and by its id', async () => {
    const { client } = await start();
    await commitFile(client, { repository, branch: 'main', text: 'first' });
    const byPath = await client.praefectInfo.getRepositoryMetadata({
      query: { case: 'path', value: path },
    });
    const storage = (name: string) =>
      expect.objectContaining({
        storage: name,
        assigned: true,
        generation: byPath.generation,
        healthy: true,
        validPrimary: true,
      });
    expect(byPath).toMatchObject({
      ...path,
      primary: expect.stringMatching(/^gitaly-\d$/),
      replicaPath: expect.stringMatching(/^@cluster\/repositories\//),
      replicas: expect.arrayContaining(['gitaly-0', 'gitaly-1', 'gitaly-2'].map(storage)),
    });
    const byId = await client.praefectInfo.getRepositoryMetadata({
      query: { case: 'repositoryId', value: byPath.repositoryId },
    });
    expect(byId).toEqual(byPath);
  });

  test('of one that does not exist is not found', async () => {
    const { client } = await start();
    const value = { virtualStorage: 'default', relativePath: 'other.git' };
    const byPath = client.praefectInfo.getRepositoryMetadata({ query: { case: 'path', value } });
    await expect(byPath).rejects.toMatchObject({ code: statusCodes.NOT_FOUND });
    const query = { case: 'repositoryId', value: 4711n } as const;
    const byId = client.praefectInfo.getRepositoryMetadata({ query });
    await expect(byId).rejects.toMatchObject({ code: statusCodes.NOT_FOUND });
    const byNothing = client.praefectInfo.getRepositoryMetadata({});
    await expect(byNothing).rejects.toMatchObject({ code: statusCodes.INVALID_ARGUMENT });
  });
});
