import { afterEach, expect, it, jest } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { homeAmong } from '../../src/proxy/routing/home.ts';
import { commitFile } from '../support/commit-file.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { beginPush } from '../support/ssh-push.ts';
import { patientMs } from '../support/steady-load.ts';

jest.setTimeout(180_000);

const virtualStorage = 'default';
const repositories = Array.from({ length: 6 }, (_, index) => ({
  storageName: virtualStorage,
  relativePath: `group/project-${index}.git`,
}));

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function listed(client: GitalyClient): Promise<readonly RepositoryStatus[]> {
  const all: RepositoryStatus[] = [];
  for await (const status of client.admin.listRepositories({ virtualStorage })) all.push(status);
  return all;
}

function isAtHome({ id, primary, replicas }: RepositoryStatus): boolean {
  const storages = replicas.map(({ storage }) => storage);
  return homeAmong(id, storages) === primary;
}

it('primaries come home after an outage, and pushes that began before that go on', async () => {
  cluster = await ProxyCluster.start();
  const client = cluster.client(0, { deadlineMs: patientMs });
  const write = (text: string) =>
    Promise.all(
      repositories.map((repository) => commitFile(client, { repository, branch: 'main', text })),
    );
  for (const repository of repositories) await client.repository.createRepository({ repository });
  const [commit = ''] = await write('first');
  const before = await listed(client);
  expect(before.filter(isAtHome)).toHaveLength(repositories.length);

  const [first] = before;
  if (first === undefined) throw new Error('there is no repository');
  const { relativePath, primary: home } = first;
  await cluster.node(home).stop();
  await write('second');
  for (const { primary } of await listed(client)) expect(primary).not.toBe(home);
  await cluster.restartNode(home);
  await waitUntil('all replicas are in sync', async () =>
    (await listed(client)).every(({ replicas }) => replicas.every(({ inSync }) => inSync)),
  );

  const pushed = 'refs/heads/pushed';
  const repository = { storageName: virtualStorage, relativePath };
  const push = await beginPush(client, repository);
  let round = 0;
  const primariesAfterWrites = async () => {
    round += 1;
    await write(`round ${round}`);
    return (await listed(client)).every(isAtHome);
  };
  await eventually('all primaries are at home', primariesAfterWrites, 120_000);
  const { exitCode, heard } = await push.finish({ ref: pushed, commit });
  expect(heard).toContain(`ok ${pushed}`);
  expect(exitCode).toBe(0);
  const found = await client.ref.refExists({ repository, ref: Buffer.from(pushed) });
  expect(found.value).toBe(true);
});
