import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import type {
  GitalyMaintenance,
  GitalyMaintenanceStatus,
} from '../../src/api/generated/gitaly-maintenance.ts';
import { externalDatabaseSpec, installExternalDatabase } from '../scenario/external-database.ts';
import { nodesOf, uncordonInTheEnd } from '../scenario/nodes.ts';
import { killPod, podsOf, warningsSince } from '../scenario/pods.ts';
import { installOperator, leaderOf, operatorNamespace } from '../scenario/product.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { hangLimitMs } from './hang-limit.ts';
import { underLoad } from './load-check.ts';
import { LoadedCluster, loadedClusterLimitMs } from './loaded-cluster.ts';

const namespace = 'gitaly-node-maintenance';
const name = 'patched';
const storageSelector = 'gitaly.dev/cluster=patched,app.kubernetes.io/component=storage';
const proxySelector = 'gitaly.dev/cluster=patched,app.kubernetes.io/component=proxy';
const maintenanceKey = 'gitaly.dev/maintenance';
const limitMs = 300_000;

jest.setTimeout(hangLimitMs);

/** The volumes of the testbed stay on their node: a storage comes back when that is uncordoned. */
describe('a maintenance of all nodes of a cluster, under load', () => {
  const scope = new Scope();
  /** Every pod that each storage has had since the maintenance began, by unique id. */
  const pods = new Map<string, Set<string>>();
  let loaded: LoadedCluster;
  let nodes: readonly string[];

  beforeAll(async () => {
    loaded = await LoadedCluster.start(scope, {
      namespace,
      name,
      spec: { database: externalDatabaseSpec },
      async prepare(cluster) {
        scope.onStop(() => installOperator(cluster));
        await installOperator(cluster, { cordonsNodes: true });
        nodes = (await nodesOf(cluster)).map(({ metadata }) => metadata.name);
        for (const node of nodes) uncordonInTheEnd(scope, cluster, node);
        await installExternalDatabase(cluster, namespace, nodes[0] ?? '');
      },
    });
  }, loadedClusterLimitMs);

  afterAll(() => scope.stop());

  test('clears one after the other for a person, although the operator dies, and nobody notices', async () => {
    const { client, cluster, underTest } = loaded;
    const startedAt = new Date();
    const before = await storages();
    const plain = await loaded.startGoClient();
    const done = underLoad(await loaded.tasks(), async (more) => {
      // Repositories with three replicas and two to keep: of a group of two, one has to wait.
      await begin('patches', { groupSize: 2 });
      const handled = new Set<string>();
      for (const turn of nodes.keys()) {
        const node = await clearedNode('patches', handled);
        handled.add(node);
        expect((await storages()).filter((pod) => pod.node === node)).toEqual([]);
        expect(await cordons()).toEqual([
          { node, isCordoned: true, maintenance: `${namespace}/${name}/patches` },
        ]);
        await more();
        // Whoever comes after it has only the record and the annotation to go by.
        if (turn === 1) await killPod(cluster, operatorNamespace, await leaderOf(cluster));
        await cluster.kubectl(['uncordon', node]);
      }
      await completed('patches');
      const { virtualStorages } = await client.admin.getStatus({});
      const drained = virtualStorages.flatMap(({ storages }) =>
        storages.filter(({ drain }) => drain !== undefined),
      );
      expect(drained).toEqual([]);
    });
    const [outcome] = await Promise.allSettled([done]);
    const report = await plain.finish();
    process.stderr.write(`calls of the client in Go: ${JSON.stringify(report)}\n`);
    process.stderr.write(await warningsSince(cluster, namespace, proxySelector, startedAt));
    process.stderr.write(`${await loaded.events()}\n${await underTest.table()}\n`);
    process.stderr.write(`${await table()}\n${JSON.stringify(await statusOf('patches'))}\n`);
    expect(outcome).toEqual({ status: 'fulfilled' });
    expect(report.failures).toEqual([]);

    const status = await statusOf('patches');
    expect(status).toMatchObject({ phase: 'Completed', totalNodes: 3, doneNodes: 3 });
    const { nodes: record = [] } = status;
    expect(record.map((node) => node.name).toSorted()).toEqual(nodes.toSorted());
    for (const node of record) {
      const here = before.filter((pod) => pod.node === node.name);
      expect(node).toMatchObject({ phase: 'Done', storages: here.map((pod) => pod.name) });
      const { startedAt, clearedAt, upAt, doneAt } = node;
      const times = [startedAt, clearedAt, upAt, doneAt].map((time) => Date.parse(time ?? ''));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times).not.toContain(Number.NaN);
    }
    expect([...pods].map(([storage, uids]) => [storage, uids.size])).toEqual(
      before.map((pod) => [pod.name, 2]),
    );
    expect(await cordons()).toEqual([]);
    await underTest.waitUntilSafe();
  });

  test('leaves no node cordoned and no storage drained when it is deleted in the middle', async () => {
    const { client, cluster, underTest } = loaded;
    await begin('given-up', {});
    await clearedNode('given-up', new Set());
    await cluster.kubectl(['-n', namespace, 'delete', 'glm', 'given-up']);
    await waitFor('no node to be cordoned', limitMs, async () => {
      const cordoned = await cordons();
      return cordoned.length === 0 ? undefined : JSON.stringify(cordoned);
    });
    await underTest.waitUntilSafe();
    await waitFor('every storage to be used again', limitMs, async () => {
      const { virtualStorages } = await client.admin.getStatus({});
      const all = virtualStorages.flatMap(({ storages }) => storages);
      const drained = all.filter(({ drain }) => drain !== undefined);
      return drained.length === 0 ? undefined : drained.map((storage) => storage.name).join();
    });
  });

  test('takes a node back that was booted, without being told', async () => {
    const { cluster, underTest } = loaded;
    // Where nodes are not ours to boot, the person who uncordons them has to do.
    if (cluster.nodes === undefined) return;
    // The first one has the database. Connections to what was on this one hang after, so that this test is the last.
    const [, node = ''] = nodes;
    await begin('boots', { nodes: { names: [node] }, nodeDone: 'Rebooted' });
    await clearedNode('boots', new Set());
    const before = await bootIdOf(node);
    await cluster.nodes.powerOff(node);
    await cluster.nodes.powerOn(node);
    await completed('boots');
    const { nodes: record } = await statusOf('boots');
    expect(record).toMatchObject([{ name: node, phase: 'Done', bootID: before }]);
    expect(await bootIdOf(node)).not.toBe(before);
    expect(await cordons()).toEqual([]);
    await underTest.waitUntilSafe();
  });

  /** Applies a maintenance of all nodes. */
  async function begin(of: string, spec: Partial<GitalyMaintenance['spec']>): Promise<void> {
    const maintenance: GitalyMaintenance = {
      apiVersion: 'gitaly.dev/v1alpha1',
      kind: 'GitalyMaintenance',
      metadata: { name: of, namespace },
      spec: {
        clusterName: name,
        nodes: { matchLabels: { 'kubernetes.io/os': 'linux' } },
        nodeDone: 'Uncordoned',
        ...spec,
      },
    };
    const input = JSON.stringify(maintenance);
    await loaded.cluster.kubectl(['apply', '-f', '-'], { input });
  }

  /** Waits for a node that is ready for its patches, and is none of those that have got theirs. */
  async function clearedNode(of: string, handled: ReadonlySet<string>): Promise<string> {
    let found: string | undefined;
    await waitFor('a node to be cleared', limitMs, async () => {
      await storages();
      const { phase, message, nodes: record = [] } = await statusOf(of);
      found = record.find((node) => node.phase === 'Cleared' && !handled.has(node.name))?.name;
      return found === undefined ? `${phase}: ${message}` : undefined;
    });
    return found ?? '';
  }

  async function completed(of: string): Promise<void> {
    await waitFor('the maintenance to be completed', limitMs, async () => {
      await storages();
      const { phase, message } = await statusOf(of);
      return phase === 'Completed' ? undefined : `${phase}: ${message}`;
    });
  }

  /** What the node's kubelet says. */
  async function bootIdOf(name: string): Promise<string | undefined> {
    const node = (await nodesOf(loaded.cluster)).find(({ metadata }) => metadata.name === name);
    return node?.status?.nodeInfo?.bootID;
  }

  /** The storages' pods, which are noted in {@link pods}. */
  async function storages() {
    const now = await podsOf(loaded.cluster, namespace, storageSelector);
    for (const pod of now) pods.set(pod.name, (pods.get(pod.name) ?? new Set()).add(pod.uid));
    return now;
  }

  /** The nodes that are cordoned, or that a maintenance has marked. */
  async function cordons() {
    const all = (await nodesOf(loaded.cluster)).map(({ metadata, spec }) => ({
      node: metadata.name,
      isCordoned: spec?.unschedulable === true,
      maintenance: metadata.annotations?.[maintenanceKey],
    }));
    return all.filter(({ isCordoned, maintenance }) => isCordoned || maintenance !== undefined);
  }

  async function statusOf(of: string): Promise<GitalyMaintenanceStatus> {
    const path = ['-n', namespace, 'get', 'glm', of, '-o', 'json'];
    const { status } = JSON.parse(await loaded.cluster.kubectl(path)) as GitalyMaintenance;
    return status ?? {};
  }

  /** What a person sees. */
  function table(): Promise<string> {
    return loaded.cluster.kubectl(['-n', namespace, 'get', 'glm', '-o', 'wide']);
  }
});
