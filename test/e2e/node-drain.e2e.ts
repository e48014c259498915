import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { externalDatabaseSpec, installExternalDatabase } from '../scenario/external-database.ts';
import { exampleManifest, GitalyClusterUnderTest } from '../scenario/gitaly-cluster.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { nodesOf, uncordonInTheEnd } from '../scenario/nodes.ts';
import { podsOf, warningsSince } from '../scenario/pods.ts';
import { dropNamespace, freshNamespace } from '../scenario/product.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { callTasks, SteadyLoad } from '../support/steady-load.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { hangLimitMs } from './hang-limit.ts';
import { loadTarget, underLoad } from './load-check.ts';
import { LoadedCluster, loadedClusterLimitMs } from './loaded-cluster.ts';

const namespace = 'gitaly-node-drain';
const singleNamespace = 'gitaly-node-drain-single';
const managedNamespace = 'gitaly-node-drain-managed';
/** Not the name of other tests' clusters, so that nodes can be cleared of these alone. */
const name = 'cleared';
const storageSelector = 'gitaly.dev/cluster=cleared,app.kubernetes.io/component=storage';
const proxySelector = 'gitaly.dev/cluster=cleared,app.kubernetes.io/component=proxy';
const databaseSelector = 'gitaly.dev/cluster=cleared,app.kubernetes.io/component=database';

jest.setTimeout(hangLimitMs);

/** The volumes of the testbed stay on their node: a storage that was evicted comes back when that is uncordoned. */
describe('the nodes of a cluster, each drained and uncordoned under load', () => {
  const scope = new Scope();
  let loaded: LoadedCluster;
  let nodes: readonly string[];

  beforeAll(async () => {
    loaded = await LoadedCluster.start(scope, {
      namespace,
      name,
      spec: { database: externalDatabaseSpec },
      async prepare(cluster) {
        nodes = (await nodesOf(cluster)).map(({ metadata }) => metadata.name);
        for (const node of nodes) uncordonInTheEnd(scope, cluster, node);
        await installExternalDatabase(cluster, namespace, nodes[0] ?? '');
      },
    });
  }, loadedClusterLimitMs);

  afterAll(() => scope.stop());

  test('let each storage go when no client is on it, and nobody notices', async () => {
    const { cluster, underTest } = loaded;
    const startedAt = new Date();
    const plain = await loaded.startGoClient();
    const done = underLoad(await loaded.tasks(), async (more) => {
      for (const node of nodes) {
        const before = await storagesOn(node);
        expect(before).toHaveLength(1);
        const beganAt = performance.now();
        await drain(cluster, node);
        process.stderr.write(`${node} was drained in ${secondsSince(beganAt)} s\n`);
        expect(await storagesOn(node)).toEqual([]);
        await more();
        await cluster.kubectl(['uncordon', node]);
        await waitUntilUndrained();
        process.stderr.write(`${node} was in use again after ${secondsSince(beganAt)} s\n`);
        const after = await storagesOn(node);
        expect(after.map(({ name }) => name)).toEqual(before.map(({ name }) => name));
        expect(after.map(({ uid }) => uid)).not.toEqual(before.map(({ uid }) => uid));
      }
    });
    const [outcome] = await Promise.allSettled([done]);
    const report = await plain.finish();
    process.stderr.write(`calls of the client in Go: ${JSON.stringify(report)}\n`);
    process.stderr.write(await warningsSince(cluster, namespace, proxySelector, startedAt));
    process.stderr.write(`${await loaded.events()}\n${await underTest.table()}\n`);
    expect(outcome).toEqual({ status: 'fulfilled' });
    expect(report.failures).toEqual([]);
  });

  test('give a storage its clients back that were cordoned and stay', async () => {
    const { cluster, underTest } = loaded;
    const [node = ''] = nodes;
    const [storage] = await storagesOn(node);
    await cluster.kubectl(['cordon', node]);
    await waitFor('its storage to be evictable', 120_000, async () => {
      const { reason, message = '' } = await underTest.status();
      return reason === 'NodesLeaving' && message.includes('may be evicted') ? undefined : message;
    });
    await cluster.kubectl(['uncordon', node]);
    await waitUntilUndrained();
    expect(await storagesOn(node)).toEqual([storage]);
    await expect(evict(storage?.name ?? '')).rejects.toThrow('disruption budget');
  });

  /** As whoever gives no sign on the node. */
  async function evict(pod: string): Promise<void> {
    const eviction = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: pod, namespace },
    };
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`;
    const input = JSON.stringify(eviction);
    await loaded.cluster.kubectl(['create', '--raw', path, '-f', '-'], { input });
  }

  /** The storages' pods that run there. */
  async function storagesOn(node: string) {
    const pods = await podsOf(loaded.cluster, namespace, storageSelector);
    return pods.filter((pod) => pod.node === node);
  }

  async function waitUntilUndrained(): Promise<void> {
    await waitFor('every storage to be used again', 240_000, async () => {
      const { phase, data, reason, message } = await loaded.underTest.status();
      const { virtualStorages } = await loaded.client.admin.getStatus({});
      const isUndrained = virtualStorages.every(({ storages }) =>
        storages.every((storage) => storage.drain === undefined),
      );
      const isDone = phase === 'Ready' && data === 'Safe' && isUndrained;
      return isDone ? undefined : `${reason}: ${message}`;
    });
  }
});

/**
 * Clears a node of our pods and the operator's, but not of what other tests have left behind. The pods that make
 * and remove volumes are nobody's: kubectl would refuse to drain the node of one that runs just then.
 */
async function drain(cluster: Cluster, node: string): Promise<void> {
  const programs = 'app.kubernetes.io/name in (gitaly, gitaly-operator)';
  const ours = `--pod-selector=${programs},gitaly.dev/cluster notin (gitaly)`;
  const what = ['--ignore-daemonsets', '--delete-emptydir-data', '--timeout=300s', ours];
  await cluster.kubectl(['drain', node, ...what], { limitMs: 310_000 });
}

function secondsSince(beganAtMs: number): number {
  return Math.round((performance.now() - beganAtMs) / 1000);
}

/** Its pod is one, and its volume stays on the node. So writes stop; but not the drain, and not reads. */
describe('the node of the managed database', () => {
  const scope = new Scope();
  let cluster: Cluster;
  let underTest: GitalyClusterUnderTest;
  let client: GitalyClient;
  let node = '';

  beforeAll(async () => {
    cluster = await openCluster(lineProgress((line) => process.stderr.write(line)));
    await freshNamespace(cluster, managedNamespace);
    scope.onStop(() => dropNamespace(cluster, managedNamespace));
    await installGitlab(cluster, managedNamespace);
    underTest = scope.own(new GitalyClusterUnderTest(cluster, managedNamespace, name));
    await underTest.apply(await exampleManifest(cluster, managedNamespace, name));
    client = await underTest.client();
    const [database] = await podsOf(cluster, managedNamespace, databaseSelector);
    node = database?.node ?? '';
    uncordonInTheEnd(scope, cluster, node);
  });

  afterAll(() => scope.stop());

  test('is cleared of its storage first, and then of the database', async () => {
    const target = await loadTarget(client, 'own.git');
    const [reads, writes] = callTasks('own', client, target);
    if (!reads || !writes) throw new Error('there is nothing to do');
    const pauseMs = 100;
    const reading = new SteadyLoad([reads], { pauseMs });
    const writing = new SteadyLoad([writes], { pauseMs });
    try {
      await drain(cluster, node);
      expect(reading.failures).toEqual([]);
      await cluster.kubectl(['uncordon', node]);
      const beganAt = performance.now();
      const [done = 0] = writing.done.values();
      await waitFor('writes to go on', 240_000, async () =>
        ([...writing.done.values()][0] ?? 0) > done ? undefined : 'none was done',
      );
      process.stderr.write(`writes went on ${secondsSince(beganAt)} s after the uncordon\n`);
      await underTest.waitUntilSafe();
    } finally {
      await reading.stop();
      await writing.stop();
    }
    expect(reading.failures).toEqual([]);
    process.stderr.write(`${await underTest.table()}\n`);
  });
});

/** There is nowhere else for calls to go: the node is cleared all the same, and nothing has to be mended after. */
describe('the node of an only storage', () => {
  const scope = new Scope();
  let cluster: Cluster;
  let underTest: GitalyClusterUnderTest;
  let node = '';

  beforeAll(async () => {
    cluster = await openCluster(lineProgress((line) => process.stderr.write(line)));
    await freshNamespace(cluster, singleNamespace);
    scope.onStop(() => dropNamespace(cluster, singleNamespace));
    await installGitlab(cluster, singleNamespace);
    underTest = scope.own(new GitalyClusterUnderTest(cluster, singleNamespace, name));
    const manifest = await exampleManifest(cluster, singleNamespace, name);
    const only = { storages: 1, replicationFactor: 1, minInSyncReplicas: 1 };
    manifest.spec['virtualStorages'] = [{ name: 'default', ...only, volume: { size: '1Gi' } }];
    await underTest.apply(manifest);
    const [storage] = await podsOf(cluster, singleNamespace, storageSelector);
    node = storage?.node ?? '';
    uncordonInTheEnd(scope, cluster, node);
  });

  afterAll(() => scope.stop());

  test('is cleared in a moment without calls', async () => {
    const client = await underTest.client();
    const [reads] = callTasks('own', client, await loadTarget(client, 'own.git'));
    if (!reads) throw new Error('there is nothing to do');
    const load = new SteadyLoad([reads], { pauseMs: 100 });
    try {
      const beganAt = performance.now();
      await drain(cluster, node);
      process.stderr.write(`the only storage's node was drained in ${secondsSince(beganAt)} s\n`);
      await cluster.kubectl(['uncordon', node]);
      await underTest.waitUntilSafe();
      const [done = 0] = load.done.values();
      await waitFor('reads to go on', 240_000, async () =>
        ([...load.done.values()][0] ?? 0) > done ? undefined : 'none was done',
      );
    } finally {
      await load.stop();
    }
    // Reads and the status need not wait for that.
    await waitFor('the drain to be taken back', 60_000, async () => {
      const { virtualStorages } = await client.admin.getStatus({});
      const [one, ...others] = virtualStorages.flatMap(({ storages }) => storages);
      const isUsed = one !== undefined && one.drain === undefined && others.length === 0;
      return isUsed ? undefined : `${one?.name} is drained`;
    });
  });
});
