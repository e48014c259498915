import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { commitFile } from '../support/commit-file.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { patientMs } from '../support/steady-load.ts';
import { drainOf, untilDrained } from '../support/storage-drains.ts';

jest.setTimeout(180_000);

const virtualStorage = 'default';
const repository = { storageName: virtualStorage, relativePath: 'group/project.git' };
const requester = 'test';
const reason = 'its pod is to be replaced';

let cluster: ProxyCluster;
afterEach(() => cluster.stop());

/** A repository on three storages, two of which it needs for writes, and the names of these: the primary first. */
async function start() {
  cluster = await ProxyCluster.start({ proxies: 2, relays: true });
  const client = cluster.client(0, { deadlineMs: patientMs });
  await client.repository.createRepository({ repository });
  const { primary, replicas } = await statusOf(client);
  const [one = '', other = ''] = replicas
    .map(({ storage }) => storage)
    .filter((storage) => storage !== primary);
  return { client, primary, one, other };
}

async function statusOf(client: GitalyClient): Promise<RepositoryStatus> {
  for await (const status of client.admin.listRepositories({ virtualStorage })) return status;
  throw new Error('there is no repository');
}

const write = (client: GitalyClient, text: string) =>
  commitFile(client, { repository, branch: 'main', text });

function untilInSync(client: GitalyClient): Promise<void> {
  return waitUntil('all replicas are in sync', async () => {
    const { replicas } = await statusOf(client);
    return replicas.length === 3 && replicas.every(({ inSync }) => inSync);
  });
}

/** What each storage has for the branch that is written to. */
async function heads(client: GitalyClient): Promise<readonly (string | undefined)[]> {
  const { replicaPath } = await statusOf(client);
  const found = cluster.nodes.map(async ({ name }) => {
    const { commit } = await cluster.storageClient(name).commit.findCommit({
      repository: { storageName: name, relativePath: replicaPath },
      revision: Buffer.from('main'),
    });
    return commit?.id;
  });
  return Promise.all(found);
}

describe('two drains at once', () => {
  it('leave writes and reads as they are, as all replicas go on', async () => {
    const { client, primary, one, other } = await start();
    const drained = [primary, one];
    await Promise.all(
      drained.map((storage) =>
        client.admin.requestDrain({ virtualStorage, storage, requester, reason }),
      ),
    );
    for (const storage of drained) await untilDrained(client, storage);
    const commit = await write(client, 'during');
    expect((await statusOf(client)).primary).toBe(other);
    expect(await heads(client)).toEqual([commit, commit, commit]);
    const read = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    expect(read.commit?.id).toBe(commit);
    for (const storage of drained) {
      await client.admin.cancelDrain({ virtualStorage, storage, requester });
      expect(await drainOf(client, storage)).toBeUndefined();
    }
  });
});

describe('a drain that is asked for during a failover', () => {
  it('ends, and the write that waits for the failover succeeds', async () => {
    const { client, primary, one, other } = await start();
    await write(client, 'before');
    cluster.relay(primary).fallSilent();
    const waiting = write(client, 'during');
    await client.admin.requestDrain({ virtualStorage, storage: one, requester, reason });
    const commit = await waiting;
    await untilDrained(client, one);
    const last = await write(client, 'after');
    expect(last).not.toBe(commit);
    expect((await statusOf(client)).primary).toBe(other);
    cluster.relay(primary).speak();
    await untilInSync(client);
    expect(await heads(client)).toEqual([last, last, last]);
  });
});

describe('a failover while a storage is replaced', () => {
  it('refuses writes for lack of replicas, serves reads, and loses nothing', async () => {
    const { client, primary, one } = await start();
    await client.admin.requestDrain({ virtualStorage, storage: one, requester, reason });
    await untilDrained(client, one);
    await cluster.node(one).stop();
    const kept = await write(client, 'with two');
    cluster.relay(primary).fallSilent();
    await expect(write(client, 'with one')).rejects.toMatchObject({
      code: statusCodes.UNAVAILABLE,
    });
    const read = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    expect(read.commit?.id).toBe(kept);

    await cluster.restartNode(one);
    const last = await eventuallyWritten(client);
    expect((await statusOf(client)).primary).not.toBe(primary);
    cluster.relay(primary).speak();
    await untilInSync(client);
    expect(await heads(client)).toEqual([last, last, last]);
    expect(await drainOf(client, one)).toMatchObject({ drained: true });
  });
});

/** Writes as soon as that succeeds again; each attempt has a name of its own. */
async function eventuallyWritten(client: GitalyClient): Promise<string> {
  let commit = '';
  let attempt = 0;
  await waitUntil('writes succeed again', async () => {
    attempt += 1;
    commit = await write(client, `attempt ${attempt}`).catch(() => '');
    return commit !== '';
  });
  return commit;
}
