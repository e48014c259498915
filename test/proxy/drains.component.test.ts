import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { Drain, RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { CommitService } from '../../src/gen/gitaly/commit_pb.ts';
import { RepositoryService } from '../../src/gen/gitaly/repository_pb.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { commitFile } from '../support/commit-file.ts';
import { GitCluster } from '../support/git-cluster.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { beginPush } from '../support/ssh-push.ts';
import { startStalledFetch } from '../support/stalled-fetch.ts';
import { SteadyLoad, callTasks, patientMs } from '../support/steady-load.ts';
import { drainOf, storageStatus, untilDrained } from '../support/storage-drains.ts';

jest.setTimeout(180_000);

const virtualStorage = 'default';
const requester = 'test';
const reason = 'its pod is to be replaced';

const started: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of started.splice(0).toReversed()) await one.stop();
});

async function firstRepository(client: GitalyClient): Promise<RepositoryStatus> {
  for await (const status of client.admin.listRepositories({ virtualStorage })) return status;
  throw new Error('there is no repository');
}

describe('draining a storage', () => {
  it('lets each be replaced in turn while clients that try nothing twice read and write', async () => {
    const cluster = await ProxyCluster.start({ proxies: 2 });
    started.push(cluster);
    const client = cluster.client(0, { deadlineMs: patientMs });
    const proxies = [client, cluster.client(1, { deadlineMs: patientMs })];
    const tasks = [];
    for (let index = 0; index < 4; index++) {
      const repository = {
        storageName: virtualStorage,
        relativePath: `group/project-${index}.git`,
      };
      await client.repository.createRepository({ repository });
      const commit = await commitFile(client, { repository, branch: 'main', text: 'first' });
      const proxy = index % 2;
      const plain = {
        commit: cluster.rpc(CommitService, { proxy }),
        repository: cluster.rpc(RepositoryService, { proxy }),
      };
      tasks.push(...callTasks(`project-${index}`, plain, { repository, commit }));
    }
    const load = new SteadyLoad(tasks, { pauseMs: 20 });
    started.push(load);
    for (const { name } of cluster.nodes) {
      const storage = { virtualStorage, storage: name };
      await client.admin.requestDrain({ ...storage, requester, reason });
      await untilDrained(client, name);
      await cluster.node(name).stop();
      await cluster.restartNode(name);
      const before = new Map(load.done);
      await waitUntil(`${name} is back and in sync, and each task was done since`, async () => {
        // A proxy that did not reach it yet would let its replicas fall behind again.
        const seen = await Promise.all(proxies.map((proxy) => storageStatus(proxy, name)));
        const isBack = seen.every(
          ({ healthy, replicas, inSync }) => healthy && replicas === 4n && inSync === replicas,
        );
        return isBack && [...load.done].every(([task, done]) => done > (before.get(task) ?? 0));
      });
      await client.admin.cancelDrain({ ...storage, requester });
      await waitUntil('nobody drains it', async () => (await drainOf(client, name)) === undefined);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it('waits for a fetch that runs there, and sends further ones elsewhere', async () => {
    const git = await GitCluster.start({ proxies: 2 });
    started.push(git);
    const { cluster, client } = git;
    const { relativePath, head } = await git.pushed('large', randomBytes(16 * 1024 * 1024));
    const fetch = await startStalledFetch(client, relativePath, head);
    const busy = new Map<string, Drain>();
    for (const { name } of cluster.nodes) {
      const storage = { virtualStorage, storage: name };
      await client.admin.requestDrain({ ...storage, requester, reason });
      await waitUntil('both proxies have taken note', async () => {
        const drain = await drainOf(client, name);
        if (drain !== undefined && !drain.drained && drain.unaware.length === 0) {
          busy.set(name, drain);
        }
        return drain?.unaware.length === 0;
      });
      await client.admin.cancelDrain({ ...storage, requester });
    }
    expect([...busy.values()]).toMatchObject([
      { calls: [{ class: 'fetch', count: 1n, oldestRepository: relativePath }] },
    ]);
    const [name = ''] = busy.keys();
    await client.admin.requestDrain({ virtualStorage, storage: name, requester, reason });
    await waitUntil(
      'both proxies have taken note',
      async () => (await drainOf(client, name))?.unaware.length === 0,
    );
    const clone = await git.clone(git.user.url(relativePath), 'clone');
    expect(await git.headOf(clone)).toBe(head);
    expect(await drainOf(client, name)).toMatchObject({ drained: false, calls: [{ count: 1n }] });
    fetch.resume();
    expect(await fetch.ended).toBe(0);
    await untilDrained(client, name);
  });

  it('waits for a push that could not do without it, although all replicas are in sync again', async () => {
    const cluster = await ProxyCluster.start();
    started.push(cluster);
    const client = cluster.client(0, { deadlineMs: patientMs });
    const repository = { storageName: virtualStorage, relativePath: 'group/project.git' };
    await client.repository.createRepository({ repository });
    const commit = await commitFile(client, { repository, branch: 'main', text: 'first' });
    const { primary } = await firstRepository(client);
    const [needed, away] = cluster.nodes.filter(({ name }) => name !== primary);
    if (needed === undefined || away === undefined) throw new Error('there are three storages');
    await cluster.node(away.name).stop();
    await commitFile(client, { repository, branch: 'main', text: 'second' });
    const push = await beginPush(client, repository);
    await cluster.restartNode(away.name);
    await waitUntil('it is in sync again', async () => {
      const { replicas } = await firstRepository(client);
      return replicas.every(({ inSync }) => inSync);
    });

    const storage = { virtualStorage, storage: needed.name };
    await client.admin.requestDrain({ ...storage, requester, reason });
    await waitUntil(
      'the proxy has taken note',
      async () => (await drainOf(client, needed.name))?.unaware.length === 0,
    );
    expect(await drainOf(client, needed.name)).toMatchObject({
      drained: false,
      calls: [{ class: 'push', count: 1n, oldestRepository: repository.relativePath }],
    });
    expect(await push.finish({ ref: 'refs/heads/pushed', commit })).toMatchObject({ exitCode: 0 });
    await untilDrained(client, needed.name);
  });

  it('cuts what outlives the grace of its class, and nothing else', async () => {
    const git = await GitCluster.start();
    started.push(git);
    const { cluster, client } = git;
    const { relativePath, head } = await git.pushed('large', randomBytes(16 * 1024 * 1024));
    const fetch = await startStalledFetch(client, relativePath, head);
    const failure = fetch.ended.catch((error: unknown) => error);
    for (const graces of [[{ class: 'push', ms: 0n }], [{ class: 'fetch', ms: 0n }]]) {
      for (const { name } of cluster.nodes) {
        const storage = { virtualStorage, storage: name };
        await client.admin.requestDrain({ ...storage, requester, reason, graces });
      }
      await waitUntil('all are drained, or wait for the fetch', async () => {
        const drains = await Promise.all(cluster.nodes.map(({ name }) => drainOf(client, name)));
        const left = drains.filter((drain) => drain?.drained !== true);
        return left.length === (graces[0]?.class === 'push' ? 1 : 0);
      });
    }
    fetch.resume();
    expect(await failure).toMatchObject({ code: statusCodes.UNAVAILABLE });
  });

  it('holds until the last one who asked for it has cancelled, whichever proxy they ask', async () => {
    const cluster = await ProxyCluster.start({ proxies: 2 });
    started.push(cluster);
    const [one, other] = [cluster.client(0), cluster.client(1)];
    const storage = { virtualStorage, storage: 'gitaly-1' };
    await one.admin.requestDrain({ ...storage, requester: 'operator', reason: 'a new image' });
    await other.admin.requestDrain({ ...storage, requester: 'anna', reason: 'a new disk' });
    await untilDrained(one, 'gitaly-1');
    expect((await drainOf(other, 'gitaly-1'))?.requesters).toMatchObject([
      { requester: 'operator', reason: 'a new image' },
      { requester: 'anna', reason: 'a new disk' },
    ]);
    await other.admin.cancelDrain({ ...storage, requester: 'operator' });
    expect((await drainOf(one, 'gitaly-1'))?.requesters).toHaveLength(1);
    await one.admin.cancelDrain({ ...storage, requester: 'anna' });
    expect(await drainOf(one, 'gitaly-1')).toBeUndefined();
  });

  it.each([
    [{ storage: 'gitaly-9' }, 'there is no storage gitaly-9 in a virtual storage default'],
    [{ requester: '' }, 'the requester needs a name of 1 to 63 characters'],
    [{ reason: '' }, 'the reason is a text of 1 to 500 characters'],
    [{ graces: [{ class: 'slow' }] }, 'there are no calls of class slow'],
    [{ graces: [{ class: 'push', ms: -1n }] }, 'a grace is one of 0 to 604800000 ms'],
  ])('is refused if it is asked for wrongly: %#', async (wrong, message) => {
    const cluster = await ProxyCluster.start();
    started.push(cluster);
    const request = { virtualStorage, storage: 'gitaly-0', requester, reason, ...wrong };
    await expect(cluster.client().admin.requestDrain(request)).rejects.toThrow(message);
  });
});
