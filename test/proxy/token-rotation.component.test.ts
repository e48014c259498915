import { afterEach, describe, expect, test } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { commitFile } from '../support/commit-file.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { RecordingLogger } from '../support/recording-logger.ts';

const repository = { storageName: 'default', relativePath: 'group/project.git' };
const oldToken = ProxyCluster.gitalyToken;
/** A storage is started and brought in sync again: on a busy machine that takes long. */
const repairLimitMs = 120_000;
const newToken = 'the next token of the storages';

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function statusOf(client: GitalyClient): Promise<RepositoryStatus> {
  const filter = { virtualStorage: 'default', relativePath: repository.relativePath };
  for await (const status of client.admin.listRepositories(filter)) return status;
  throw new Error('the repository is not listed');
}

describe("the storages' token", () => {
  test(
    'is changed one storage after the other, while writes and repairs go on',
    async () => {
      const tokens = [oldToken];
      cluster = await ProxyCluster.start({ proxy: { gitalyTokens: () => [...tokens] } });
      const client = cluster.client();
      await client.repository.createRepository({ repository });
      tokens.unshift(newToken);
      for (const { name } of cluster.nodes) {
        await cluster.node(name).stop();
        // What the storage misses, another one has to give it, with whichever token that one has.
        await commitFile(client, { repository, branch: 'main', text: `without ${name}` });
        await cluster.restartNode(name, newToken);
        await waitUntil(
          'all replicas are in sync again',
          async () => {
            const { replicas } = await statusOf(client);
            return replicas.every(({ inSync }) => inSync);
          },
          repairLimitMs,
        );
      }
      tokens.pop();
      const last = await commitFile(client, { repository, branch: 'main', text: 'last' });
      for (const { name } of cluster.nodes) {
        const { replicaPath } = await statusOf(client);
        const { commit } = await cluster.storageClient(name).commit.findCommit({
          repository: { storageName: name, relativePath: replicaPath },
          revision: Buffer.from('main'),
        });
        expect(commit?.id).toBe(last);
      }
    },
    4 * repairLimitMs,
  );

  test('that no configured one is like makes a storage unhealthy, and is told', async () => {
    const logger = new RecordingLogger();
    cluster = await ProxyCluster.start({ logger });
    const client = cluster.client();
    await client.repository.createRepository({ repository });
    await cluster.node('gitaly-1').stop();
    await cluster.restartNode('gitaly-1', newToken);
    await eventually('the reason is logged', () =>
      logger.lines.some(
        (line) =>
          line.includes("storage: 'gitaly-1'") &&
          line.includes('it accepts no token of the configuration') &&
          line.includes('wrong hmac signature'),
      ),
    );
    await commitFile(client, { repository, branch: 'main', text: 'on the other two' });
    expect(logger.lines.join('\n')).not.toContain(oldToken);
  });
});
