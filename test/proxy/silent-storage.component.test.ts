import { afterEach, describe, expect, it } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { commitFile } from '../support/commit-file.ts';
import { GitCluster } from '../support/git-cluster.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';

/**
 * To find out takes 3 s, and to write again what it takes: on a busy machine some seconds more. Nobody who
 * does not find out ends before the client's patience, which is a minute.
 */
const foundOutMs = 30_000;

const repository = { storageName: 'default', relativePath: 'group/project.git' };

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start() {
  cluster = await ProxyCluster.start({ relays: true });
  const client = cluster.client();
  await client.repository.createRepository({ repository });
  return { running: cluster, client };
}

async function listed(client: GitalyClient, relativePath: string): Promise<RepositoryStatus[]> {
  const found: RepositoryStatus[] = [];
  const filter = { virtualStorage: 'default', relativePath };
  for await (const status of client.admin.listRepositories(filter)) found.push(status);
  return found;
}

async function statusOf(client: GitalyClient): Promise<RepositoryStatus> {
  const [status] = await listed(client, repository.relativePath);
  if (status === undefined) throw new Error('the repository is not listed');
  return status;
}

describe('a storage whose machine lost power: connections stand, and nothing moves', () => {
  it('holds up a write for no longer than it takes to find out, if it is the primary', async () => {
    const { running, client } = await start();
    const { primary } = await statusOf(client);
    running.relay(primary).fallSilent();
    const startedMs = performance.now();
    const commit = await commitFile(client, { repository, branch: 'main', text: 'kept' });
    expect(performance.now() - startedMs).toBeLessThan(foundOutMs);
    expect((await statusOf(client)).primary).not.toBe(primary);
    const found = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    expect(found.commit?.id).toBe(commit);
    running.relay(primary).speak();
    await waitUntil('all replicas are in sync again', async () => {
      const { replicas } = await statusOf(client);
      return replicas.every((replica) => replica.inSync);
    });
  });

  it('holds up a write for no longer than it takes to find out, if it is a secondary', async () => {
    const { running, client } = await start();
    const { primary, replicas } = await statusOf(client);
    const secondary = replicas.find(({ storage }) => storage !== primary)?.storage ?? '';
    running.relay(secondary).fallSilent();
    const startedMs = performance.now();
    await commitFile(client, { repository, branch: 'main', text: 'kept' });
    expect(performance.now() - startedMs).toBeLessThan(foundOutMs);
  });
});

describe('a push to a primary whose machine lost power', () => {
  let git: GitCluster | undefined;
  afterEach(() => git?.stop());

  it('ends once that is known, and goes through when it is made again', async () => {
    git = await GitCluster.start({ relays: true });
    const { client, cluster: running, user } = git;
    const { tree, url, relativePath } = await git.pushed('project');
    const [status] = await listed(client, relativePath);
    await user.git(['commit', '-q', '--allow-empty', '-m', 'second'], { cwd: tree });
    running.relay(status?.primary ?? '').fallSilent();
    const startedMs = performance.now();
    const push = () => user.git(['push', '-q', url, 'main'], { cwd: tree });
    // One that begins so late that the loss is known already goes through at once.
    const ended = await push().catch((error: unknown) => String(error));
    expect(ended).toMatch(/^$|was lost/);
    expect(performance.now() - startedMs).toBeLessThan(foundOutMs);
    await push();
    const [after] = await listed(client, relativePath);
    expect(after?.primary).not.toBe(status?.primary);
  });
});
