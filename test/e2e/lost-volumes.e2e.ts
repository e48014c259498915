import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { exampleManifest, GitalyClusterUnderTest } from '../scenario/gitaly-cluster.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { podsOf, warningsSince } from '../scenario/pods.ts';
import { dropNamespace, freshNamespace } from '../scenario/product.ts';
import { checkReplicas } from '../scenario/replica-check.ts';
import { StorageLoss } from '../scenario/storage-loss.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { commitFile } from '../support/commit-file.ts';
import { ForkNetwork, named, type Named } from '../support/fork-network.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { hangLimitMs } from './hang-limit.ts';

const namespace = 'gitaly-lost';
const proxySelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=proxy';

/** A line of `gitaly-ha --json repository dataloss`. */
interface ToldLoss {
  readonly virtualStorage: string;
  readonly relativePath: string;
  readonly unavailable: boolean;
  readonly primary: string;
  readonly storages: readonly {
    readonly name: string;
    readonly healthy: boolean;
    readonly behindBy: string;
  }[];
}

jest.setTimeout(hangLimitMs);

describe('a GitalyCluster whose storages lose their volumes', () => {
  const scope = new Scope();
  let cluster: Cluster;
  let underTest: GitalyClusterUnderTest;
  let client: GitalyClient;
  let loss: StorageLoss;

  beforeAll(async () => {
    cluster = await openCluster(lineProgress((line) => process.stderr.write(line)));
    await freshNamespace(cluster, namespace);
    scope.onStop(() => dropNamespace(cluster, namespace));
    await installGitlab(cluster, namespace);
    underTest = scope.own(new GitalyClusterUnderTest(cluster, namespace));
    const manifest = await exampleManifest(cluster, namespace);
    const [first, ...others] = manifest.spec['virtualStorages'] as readonly object[];
    // So that a write may be on one storage alone.
    const virtualStorages = [{ ...first, minInSyncReplicas: 1 }, ...others];
    // The pod template is changed below, and the operator is not to replace pods for that.
    const spec = { ...manifest.spec, virtualStorages, update: { paused: true } };
    await underTest.apply({ ...manifest, spec });
    const startedAt = new Date();
    scope.onStop(async () => {
      process.stderr.write(await warningsSince(cluster, namespace, proxySelector, startedAt));
    });
    client = await underTest.client();
    loss = await StorageLoss.prepare(cluster, namespace);
  });

  afterAll(() => scope.stop());

  test('has forks and their object pool copied to an empty volume', async () => {
    const network = await forkNetwork();
    const { source, pool } = network;
    await network.createSourceAndPool();
    const fork = await network.fork('fork');
    await network.link(fork);
    const family = [source, pool, fork];
    await inSync(...family);
    const { primary } = await underTest.repository(client, fork.relativePath);

    await loss.takeAway(primary);
    expect(await headInClone(fork)).toBe(await head(source));
    await network.commit(source, 'four');
    await network.fetchIntoPool(source);
    const last = await network.commit(fork, 'five');
    await network.tidy(...family);
    await loss.deleteVolume(primary);
    await loss.letBack(primary);
    await inSync(...family);

    const storage = await underTest.storageClient(primary);
    const { replicaPath } = await underTest.repository(client, pool.relativePath);
    for (const { relativePath } of [source, fork]) {
      const status = await underTest.repository(client, relativePath);
      expect(status.replicas.map((replica) => replica.storage)).toContain(primary);
      const repository = { storageName: primary, relativePath: status.replicaPath };
      const { objectPool } = await storage.objectPool.getObjectPool({ repository });
      expect(objectPool?.repository?.relativePath).toBe(replicaPath);
    }
    const { replicaPath: forkPath } = await underTest.repository(client, fork.relativePath);
    const git = await underTest.storageGit(primary);
    await git.git('.', ['clone', '-q', git.url(forkPath), git.folder('fork')]);
    expect(await git.git(git.folder('fork'), ['rev-parse', 'HEAD'])).toBe(last);
  });

  test('goes on from the best replica that is left, once a person has accepted the loss', async () => {
    const repository = named('group/lost.git');
    const name = `default/${repository.relativePath}`;
    await client.repository.createRepository({ repository });
    const commit = (text: string) => commitFile(client, { repository, branch: 'main', text });
    await commit('one');
    await inSync(repository);
    const { replicas } = await underTest.repository(client, repository.relativePath);
    const [gone = '', best = '', worse = ''] = replicas.map(({ storage }) => storage);
    await loss.takeAway(worse);
    const two = await commit('two');
    await inSyncOn(repository, gone, best);
    await loss.takeAway(best);
    await commit('three');
    await loss.takeAway(gone);
    await loss.deleteVolume(gone);
    await Promise.all([loss.letBack(worse), loss.letBack(best)]);
    await reachedByAll(worse, best);

    const lost = await lossOf(repository, [best, worse]);
    expect(lost).toMatchObject({ virtualStorage: 'default', unavailable: true, primary: gone });
    const behindBy = (storage: string) =>
      Number(lost.storages.find(({ name }) => name === storage)?.behindBy);
    expect(behindBy(gone)).toBe(0);
    expect(behindBy(best)).toBeGreaterThan(0);
    expect(behindBy(worse)).toBeGreaterThan(behindBy(best));
    const advice = 'gitaly-ha repository dataloss';
    await expect(head(repository)).rejects.toThrow(advice);
    await expect(commit('four')).rejects.toThrow(advice);

    const accept = ['repository', 'accept-dataloss', name, '--storage', best];
    const asked = await underTest.gitalyHa(accept);
    expect(asked.status).toBe(1);
    expect(asked.stderr).toMatch(`to ${name}, which ${best} lacks, would be lost for good`);
    expect(await underTest.gitalyHa([...accept, '--yes'])).toMatchObject({ status: 0, stderr: '' });
    expect(await head(repository)).toBe(two);
    const four = await commit('four');
    await loss.letBack(gone);
    await inSync(repository);

    const status = await underTest.repository(client, repository.relativePath);
    const check = await checkReplicas(underTest, status, new Map([['refs/heads/main', four]]));
    expect(check).toMatchObject({ lost: [], equal: true });
    expect(check.replicas).toHaveLength(3);
  });

  async function forkNetwork(): Promise<ForkNetwork> {
    const address = `tcp://gitaly-proxy.${namespace}.svc:8075`;
    return new ForkNetwork({ client, address, token: await underTest.token('client-token') });
  }

  async function inSync(...repositories: readonly Named[]): Promise<void> {
    for (const { relativePath } of repositories) {
      await underTest.waitUntilInSync(client, relativePath);
    }
  }

  /** Waits until these replicas are in sync, whatever the others are. */
  async function inSyncOn({ relativePath }: Named, ...storages: readonly string[]): Promise<void> {
    await waitFor(`${relativePath} to be in sync`, 120_000, async () => {
      const { replicas, intents } = await underTest.repository(client, relativePath);
      const inSync = replicas.filter((replica) => replica.inSync).map(({ storage }) => storage);
      const isDone = intents === 0 && storages.every((storage) => inSync.includes(storage));
      return isDone ? undefined : inSync.join(', ');
    });
  }

  /** Waits until each proxy reaches these storages: what one knows of that, another may not know yet. */
  async function reachedByAll(...storages: readonly string[]): Promise<void> {
    const token = await underTest.token('client-token');
    for (const { name } of await podsOf(cluster, namespace, proxySelector)) {
      const { admin } = await underTest.podClient(name, token);
      await waitFor(`${name} to reach ${storages.join(' and ')}`, 60_000, async () => {
        const { virtualStorages } = await admin.getStatus({});
        const known = virtualStorages.flatMap((virtualStorage) => virtualStorage.storages);
        const away = known.filter((one) => storages.includes(one.name) && !one.healthy);
        return away.length === 0 ? undefined : away.map((one) => one.healthReason).join(', ');
      });
    }
  }

  /** What is told of a repository that is lost, once these storages have been heard of. */
  async function lossOf({ relativePath }: Named, storages: readonly string[]): Promise<ToldLoss> {
    let told: ToldLoss | undefined;
    await waitFor(`the loss of ${relativePath} to be told`, 120_000, async () => {
      const { stdout } = await underTest.gitalyHa(['--json', 'repository', 'dataloss']);
      const lines = stdout.split('\n').filter((line) => line !== '');
      const losses = lines.map((line) => JSON.parse(line) as ToldLoss);
      told = losses.find((loss) => loss.relativePath === relativePath);
      const healthy = told?.storages.filter((storage) => storage.healthy) ?? [];
      const names = new Set(healthy.map(({ name }) => name));
      return storages.every((storage) => names.has(storage)) ? undefined : stdout;
    });
    if (told === undefined) throw new Error('not reached');
    return told;
  }

  /** The commit that `main` points to. */
  async function head(repository: Named): Promise<string> {
    const found = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    return found.commit?.id ?? '';
  }

  async function headInClone({ relativePath }: Named): Promise<string> {
    const git = await underTest.git();
    await git.git('.', ['clone', '-q', git.url(relativePath), git.folder('clone')]);
    return git.git(git.folder('clone'), ['rev-parse', 'HEAD']);
  }
});
