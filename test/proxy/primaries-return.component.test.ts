import { afterEach, expect, it, jest } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { rendezvous } from '../../src/base/rendezvous.ts';
import { commitFile } from '../support/commit-file.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { patientMs } from '../support/steady-load.ts';

jest.setTimeout(180_000);

const repositories = Array.from({ length: 9 }, (_, index) => ({
  storageName: 'default',
  relativePath: `group/project-${index}.git`,
}));

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function listed(client: GitalyClient): Promise<readonly RepositoryStatus[]> {
  const all: RepositoryStatus[] = [];
  for await (const status of client.admin.listRepositories({ virtualStorage: 'default' })) {
    all.push(status);
  }
  return all;
}

it('a storage that was away leads the repositories again that are at home there', async () => {
  cluster = await ProxyCluster.start();
  const client = cluster.client(0, { deadlineMs: patientMs });
  const write = (text: string) =>
    Promise.all(
      repositories.map((repository) => commitFile(client, { repository, branch: 'main', text })),
    );
  for (const repository of repositories) await client.repository.createRepository({ repository });
  await write('first');
  const names = cluster.nodes.map(({ name }) => name);
  const homes = new Map(
    (await listed(client)).map(({ id, relativePath }) => [
      relativePath,
      rendezvous(String(id), names),
    ]),
  );
  const away = homes.values().next().value ?? '';

  await cluster.node(away).stop();
  await write('second');
  for (const { primary } of await listed(client)) expect(primary).not.toBe(away);

  await cluster.restartNode(away);
  await waitUntil('all replicas are in sync', async () =>
    (await listed(client)).every(({ replicas }) => replicas.every(({ inSync }) => inSync)),
  );
  for (const { primary, relativePath } of await listed(client)) {
    expect(primary === away).toBe(homes.get(relativePath) === away);
  }
  await write('third');
});
