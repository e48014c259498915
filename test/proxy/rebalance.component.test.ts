import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { connect, migrate } from '../../src/proxy/store/testing.ts';
import { CliRunner } from '../support/cli-runner.ts';
import { commitFile } from '../support/commit-file.ts';
import { useDatabase } from '../support/postgres.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { beginPush, loneCommit } from '../support/ssh-push.ts';
import { SteadyLoad, type LoadTask } from '../support/steady-load.ts';

const before = ['gitaly-0', 'gitaly-1', 'gitaly-2'];
const count = 15;

// For what hangs. With pushes all the time, on a machine that does much else, the moves take minutes.
jest.setTimeout(480_000);

const database = useDatabase();
const cli = new CliRunner();
let cluster: ProxyCluster;
const repositories = Array.from({ length: count }, (_, index) => ({
  storageName: 'default',
  relativePath: `group/project-${index}.git`,
}));
type Repository = (typeof repositories)[number];

/** The references that were acknowledged, of each repository. */
const acknowledged = new Map(
  repositories.map((repository) => [repository, new Map<string, string>()]),
);

beforeAll(async () => {
  await migrate(database.coordinates);
  cluster = await ProxyCluster.start({
    storages: 5,
    known: before,
    proxies: 2,
    replicationFactor: 3,
    openStore: () => connect(database.coordinates),
  });
  const client = cluster.client();
  for (const repository of repositories) {
    await client.repository.createRepository({ repository });
    const commit = await commitFile(client, { repository, branch: 'main', text: 'first' });
    acknowledged.get(repository)?.set('refs/heads/main', commit);
  }
  // Two more storages: the proxies are replaced by such as know of them.
  const old = cluster.proxies.splice(0);
  for (const _ of old) await cluster.startProxy({ known: cluster.nodes.map(({ name }) => name) });
  await Promise.all(old.map((proxy) => proxy.stop()));
});
afterAll(async () => {
  await cli.stop();
  await cluster.stop();
});

function rebalance(flags: string) {
  return cli.runWith(`storage rebalance default ${flags}`, {
    GITALY_HA_ADDRESS: `tcp://127.0.0.1:${cluster.proxies[0]?.grpcPort}`,
    GITALY_HA_TOKEN: ProxyCluster.clientToken,
  });
}

async function counts(client: GitalyClient): Promise<readonly number[]> {
  const { virtualStorages } = await client.admin.getStatus({});
  return virtualStorages.flatMap(({ storages }) => storages.map(({ inSync }) => Number(inSync)));
}

/** Pushes branches over SSH, and remembers those that git was told are there. */
function pushes(repository: Repository, client: GitalyClient): LoadTask {
  return {
    name: `pushes to ${repository.relativePath}`,
    async once(round) {
      const ref = `refs/heads/branch-${round}`;
      const { commit, pack } = loneCommit(`${repository.relativePath} ${round}`);
      const { exitCode, heard } = await (
        await beginPush(client, repository)
      ).finish({ ref, commit, pack });
      if (exitCode !== 0 || !heard.includes(`ok ${ref}`)) throw new Error(heard);
      acknowledged.get(repository)?.set(ref, commit);
    },
  };
}

/** Every acknowledged reference is on every replica, and all replicas are equal. */
async function expectWhole(client: GitalyClient): Promise<void> {
  for (const repository of repositories) {
    const { primary, replicas } = await client.praefectInfo.repositoryReplicas({ repository });
    expect(replicas).toHaveLength(2);
    for (const { checksum } of replicas) expect(checksum).toBe(primary?.checksum);
    for (const [ref, commit] of acknowledged.get(repository) ?? []) {
      const found = await client.commit.findCommit({ repository, revision: Buffer.from(ref) });
      expect([ref, found.commit?.id]).toEqual([ref, commit]);
    }
  }
}

describe('after two storages were added', () => {
  test('the plan gives them their share, and nothing moves by it', async () => {
    const { out, exitCode } = await rebalance('--dry-run --json');
    const plan = JSON.parse(out) as { planned: number; storages: { replicasAfter: string }[] };
    expect(exitCode).toBe(0);
    expect(plan.planned).toBe((count * 3 * 2) / 5);
    expect(plan.storages.map(({ replicasAfter }) => replicasAfter)).toEqual([
      '9',
      '9',
      '9',
      '9',
      '9',
    ]);
    expect(await counts(cluster.client())).toEqual([15, 15, 15, 0, 0]);
  });

  test('what is stopped in the middle is whole, and goes on with the next command', async () => {
    const client = cluster.client();
    const { out } = await rebalance('--dry-run --json --max-moves 2');
    expect(JSON.parse(out)).toMatchObject({ planned: 2 });
    // As if the command had been killed as soon as it had asked for the first move.
    const relativePath = repositories[0]?.relativePath ?? '';
    const move = { from: 'gitaly-0', to: 'gitaly-3' };
    await client.admin.moveReplica({ virtualStorage: 'default', relativePath, ...move });
    expect((await rebalance('--max-moves 1 --json')).exitCode).toBe(0);
    await waitUntil('both have moved', async () => {
      const [, , , third = 0, fourth = 0] = await counts(client);
      const { virtualStorages } = await client.admin.getStatus({});
      const replicas = virtualStorages.flatMap(({ storages }) =>
        storages.map((one) => one.replicas),
      );
      return third + fourth === 2 && replicas.reduce((sum, each) => sum + each, 0n) === 45n;
    });
    await expectWhole(client);
  });

  test('all storages have their share in the end, and no push is lost or refused', async () => {
    const client = cluster.client(1);
    const load = new SteadyLoad(
      repositories.slice(0, 6).map((repository) => pushes(repository, client)),
      { pauseMs: 50 },
    );
    await waitUntil('pushes go on everywhere', () => load.fewest >= 1);
    const { exitCode, out, err } = await rebalance('--tolerance 0');
    const during = new Map(load.done);
    await waitUntil('pushes go on still', () =>
      [...load.done].every(([name, rounds]) => rounds > (during.get(name) ?? 0)),
    );
    await load.stop();
    expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
    expect(out).toContain('16 replicas moved.');
    expect(load.failures).toEqual([]);
    expect(await counts(client)).toEqual([9, 9, 9, 9, 9]);
    const { virtualStorages } = await client.admin.getStatus({});
    expect(virtualStorages).toMatchObject([{ fullyReplicated: BigInt(count), degraded: 0n }]);
    await expectWhole(client);
    expect((await rebalance('--per-storage 2')).out).toContain('Nothing is to be moved.');
  });
});
