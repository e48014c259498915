import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  jest,
  test,
} from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { exampleManifest, GitalyClusterUnderTest } from '../scenario/gitaly-cluster.ts';
import type { Git } from '../scenario/git.ts';
import { HeldPush } from '../scenario/held-push.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import {
  killPod,
  podsOf,
  waitForDeployment,
  waitForNode,
  warningsSince,
} from '../scenario/pods.ts';
import { dropNamespace, freshNamespace, leaderOf, operatorNamespace } from '../scenario/product.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { hangLimitMs } from './hang-limit.ts';
import { createRepository, startStream, stopStreams } from './stream-check.ts';

const namespace = 'gitaly-e2e';
const secondNamespace = 'gitaly-e2e-second';
const proxySelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=proxy';
const databaseSelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=database';
const storageSelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=storage';

jest.setTimeout(hangLimitMs);

describe('a GitalyCluster under a stream of pushes', () => {
  const scope = new Scope();
  let cluster: Cluster;
  let underTest: GitalyClusterUnderTest;
  let client: GitalyClient;
  let git: Git;

  async function install(where: string): Promise<GitalyClusterUnderTest> {
    await freshNamespace(cluster, where);
    scope.onStop(() => dropNamespace(cluster, where));
    await installGitlab(cluster, where);
    const installed = scope.own(new GitalyClusterUnderTest(cluster, where));
    await installed.apply(await exampleManifest(cluster, where));
    return installed;
  }

  beforeAll(async () => {
    cluster = await openCluster(lineProgress((line) => process.stderr.write(line)));
    underTest = await install(namespace);
    client = await underTest.client();
    git = await underTest.git();
  });

  afterAll(() => scope.stop());

  let startedAt: Date;
  beforeEach(() => {
    startedAt = new Date();
  });
  afterEach(async () => {
    await stopStreams();
    process.stderr.write(await warningsSince(cluster, namespace, proxySelector, startedAt));
    await underTest.waitUntilSafe();
  });

  test('goes on when a node with a primary loses its power', async () => {
    const { nodes } = cluster;
    // Where nodes are not ours to break, the test of the pod that is killed has to do.
    if (nodes === undefined) return;
    const { relativePath, node, storage } = await repositoryAwayFromDatabase();
    const { stream, finish } = await startStream({ underTest, client, git }, relativePath);
    await nodes.powerOff(node);
    try {
      await stream.more(5, 180_000);
      await underTest.waitUntilPrimaryIsNot(client, relativePath, storage);
      await waitForNode(cluster, node, false);
      await stream.more(5, 180_000);
    } finally {
      await nodes.powerOn(node);
    }
    await waitForNode(cluster, node, true);
    await finish();
  });

  test('goes on when proxies are killed in the middle of a push', async () => {
    const relativePath = await createRepository(client);
    const { stream, finish } = await startStream({ underTest, client, git }, relativePath);
    const branches: string[] = [];
    for (const { name } of await podsOf(cluster, namespace, proxySelector)) {
      const direct = await underTest.git(name);
      const held = await HeldPush.start(direct, relativePath, name);
      branches.push(held.branch);
      try {
        await held.untilHeld();
        await killPod(cluster, namespace, name);
        await held.untilCut();
      } finally {
        await held.stop();
      }
      expect((await held.result).status).not.toBe(0);
      await stream.more(2, 180_000);
      await waitForDeployment(cluster, namespace, 'gitaly-proxy');
    }
    await finish();
    const left = await git.git('.', ['ls-remote', git.url(relativePath), ...branches]);
    expect([branches.length, left]).toEqual([2, '']);
  });

  test('does not notice that the operator dies, and its successor acts', async () => {
    const { stream, finish } = await startStream(
      { underTest, client, git },
      await createRepository(client),
    );
    const leader = await leaderOf(cluster);
    await killPod(cluster, operatorNamespace, leader);
    await waitFor('another leader', 120_000, async () => {
      const now = await leaderOf(cluster);
      return now !== '' && now !== leader ? undefined : `the leader is ${now}`;
    });
    await scaleProxies(3);
    await waitFor('the third proxy', 120_000, async () => {
      const pods = await podsOf(cluster, namespace, proxySelector);
      return pods.length === 3 ? undefined : `there are ${pods.length}`;
    });
    await waitForDeployment(cluster, namespace, 'gitaly-proxy');
    expect(stream.attempts.filter(({ acknowledged }) => !acknowledged)).toEqual([]);
    await finish();
    await scaleProxies(2);
  });

  test('is not disturbed by a second one, whose deletion keeps its data', async () => {
    const { stream, finish } = await startStream(
      { underTest, client, git },
      await createRepository(client),
    );
    const second = await install(secondNamespace);
    const secondGit = await second.git();
    const relativePath = await createRepository(await second.client());
    await secondGit.git('.', ['push', '-q', secondGit.url(relativePath), 'HEAD:refs/heads/main']);

    await cluster.kubectl(['-n', secondNamespace, 'delete', 'gitalycluster', 'gitaly', '--wait']);
    await waitFor('the pods to go', 120_000, async () => {
      const left = await podsOf(cluster, secondNamespace, storageSelector);
      return left.length === 0 ? undefined : left.map(({ name }) => name).join(', ');
    });
    await second.apply(await exampleManifest(cluster, secondNamespace));
    const again = await second.git();
    const remote = await again.git('.', ['ls-remote', again.url(relativePath), 'refs/heads/main']);
    const head = await again.git('.', ['rev-parse', 'HEAD']);
    expect(remote.split('\t')[0]).toBe(head);
    expect(stream.attempts.filter(({ acknowledged }) => !acknowledged)).toEqual([]);
    await finish();
  });

  /** A repository whose primary is on another node than the database, which is one of a kind. */
  async function repositoryAwayFromDatabase() {
    const [database] = await podsOf(cluster, namespace, databaseSelector);
    const storages = await podsOf(cluster, namespace, storageSelector);
    for (let attempt = 0; attempt < 20; attempt++) {
      const relativePath = await createRepository(client);
      const { primary } = await underTest.repository(client, relativePath);
      const place = storages.find(({ name }) => name === primary);
      if (place !== undefined && place.node !== database?.node) {
        return { relativePath, node: place.node, storage: primary };
      }
    }
    throw new Error('every primary is on the node of the database');
  }

  async function scaleProxies(replicas: number): Promise<void> {
    const patch = JSON.stringify({ spec: { proxy: { replicas } } });
    const path = ['-n', namespace, 'patch', 'gitalycluster', 'gitaly', '--type=merge'];
    await cluster.kubectl([...path, '-p', patch]);
  }
});
