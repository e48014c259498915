import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { afterEach, expect, it, jest } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { homeAmong } from '../../src/proxy/routing/home.ts';
import { packet } from '../storage-node/git/pkt-line.ts';
import { commitFile } from '../support/commit-file.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
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

/** A pack that holds nothing: all that is pushed is there. */
function emptyPack(): Buffer {
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\0');
  return Buffer.concat([header, createHash('sha1').update(header).digest()]);
}

/** A push over SSH of a commit that is there, which waits between hearing what there is and saying what it wants. */
async function beginPush(client: GitalyClient, relativePath: string, commit: string, ref: string) {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  let heard = '';
  stdout.on('data', (piece: Buffer) => {
    heard += piece.toString('latin1');
  });
  const request = { virtualStorage, relativePath, glRepository: 'project-1', glId: 'user-1' };
  const exitCode = client.git.receivePack(request, { stdin, stdout, stderr: new PassThrough() });
  await eventually('it hears what there is', () => heard.endsWith('0000'), patientMs);
  return {
    async finish() {
      const wish = `${'0'.repeat(40)} ${commit} ${ref}\0 report-status`;
      stdin.end(Buffer.concat([packet(wish), Buffer.from('0000'), emptyPack()]));
      return { exitCode: await exitCode, heard };
    },
  };
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
  const push = await beginPush(client, relativePath, commit, pushed);
  let round = 0;
  const primariesAfterWrites = async () => {
    round += 1;
    await write(`round ${round}`);
    return (await listed(client)).every(isAtHome);
  };
  await eventually('all primaries are at home', primariesAfterWrites, 120_000);
  const { exitCode, heard } = await push.finish();
  expect(heard).toContain(`ok ${pushed}`);
  expect(exitCode).toBe(0);
  const repository = { storageName: virtualStorage, relativePath };
  const found = await client.ref.refExists({ repository, ref: Buffer.from(pushed) });
  expect(found.value).toBe(true);
});
