import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { fake } from '../../test/support/controlled-cluster.ts';
import { eventually } from '../../test/support/eventually.ts';
import { startFakeApiServer, type FakeApiServer } from '../../test/support/fake-kube-apiserver.ts';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { Scope } from '../base/scope.ts';
import type {
  GitalyMaintenance,
  MaintenanceNodeStatus,
} from '../api/generated/gitaly-maintenance.ts';
import { openApiServer } from '../kube/api-server.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { createKubeTransport } from '../kube/kube-transport.ts';
import { collectionPath, objectPath, resourceTypes } from '../kube/resource-types.ts';
import { startClusterCaches } from './cluster-caches.ts';

const cluster = { namespace: 'git', name: 'gitaly' };
let scope: Scope;
let server: FakeApiServer;

beforeEach(async () => {
  scope = new Scope();
  server = scope.own(await startFakeApiServer());
});
afterEach(() => scope.stop());

function startCaches() {
  const transport = createKubeTransport({ server: openApiServer(server.url), clock: systemClock });
  const changed: string[] = [];
  const caches = scope.own(
    startClusterCaches({
      client: new KubeClient(transport),
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      backoff: { initialMs: 5, maxMs: 20 },
      namespaces: [],
      nodes: { areWatched: true, ownTaints: [], mayCordon: true },
      onChange: ({ namespace, name }) => void changed.push(`${namespace}/${name}`),
    }),
  );
  const names = () =>
    caches
      .maintenancesOf(cluster)
      .map(({ metadata }) => metadata.name)
      .toSorted();
  return { caches, changed, names };
}

function putMaintenance(
  name: string,
  { namespace = 'git', clusterName = 'gitaly', nodes = [] as MaintenanceNodeStatus[] } = {},
): void {
  const maintenance: GitalyMaintenance = {
    apiVersion: 'gitaly.dev/v1alpha1',
    kind: 'GitalyMaintenance',
    metadata: { name, namespace },
    spec: { clusterName, nodes: { names: ['node-1'] } },
    status: { nodes },
  };
  server.objects.put(objectPath(resourceTypes.maintenance, { namespace, name }), fake(maintenance));
}

function putNode(name: string, bootID: string): void {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: { nodeInfo: { bootID } },
  };
  server.objects.put(objectPath(resourceTypes.node, { namespace: '', name }), node);
}

describe('the maintenances of a cluster', () => {
  test('are those that name it, in its namespace', async () => {
    putMaintenance('october');
    putMaintenance('of-another-cluster', { clusterName: 'other' });
    putMaintenance('of-another-namespace', { namespace: 'other' });
    const { caches, names } = startCaches();
    await caches.synced;
    expect(names()).toEqual(['october']);
  });

  test('call for it when they come and when they go', async () => {
    const { caches, changed, names } = startCaches();
    await caches.synced;
    putMaintenance('october');
    await eventually('the cluster is called for', () => changed.length === 1);
    expect(names()).toEqual(['october']);
    server.objects.remove(objectPath(resourceTypes.maintenance, { ...cluster, name: 'october' }));
    await eventually('the cluster is called for again', () => changed.length === 2);
    expect(names()).toEqual([]);
    expect(changed).toEqual(['git/gitaly', 'git/gitaly']);
  });

  test('call for it when a node changes that they are not done with, though no pod is on it', async () => {
    putNode('node-1', 'a');
    putNode('node-2', 'a');
    putMaintenance('october', {
      nodes: [
        { name: 'node-1', phase: 'Done', storages: [] },
        { name: 'node-2', phase: 'Cleared', storages: [] },
      ],
    });
    const { caches, changed } = startCaches();
    await caches.synced;
    changed.length = 0;
    const bootIDs = () => caches.nodes().map(({ status }) => status?.nodeInfo?.bootID);
    putNode('node-1', 'b');
    await eventually('the first node is known', () => bootIDs().includes('b'));
    expect(changed).toEqual([]);
    putNode('node-2', 'c');
    await eventually('the second node is known', () => bootIDs().includes('c'));
    expect(changed).toEqual(['git/gitaly']);
  });

  test('are none while the API server does not know them, which holds up nothing else', async () => {
    const path = collectionPath(resourceTypes.maintenance);
    let isKnown = false;
    server.setFault((request) =>
      request.path === path && !isKnown ? { kind: 'status', code: 404 } : undefined,
    );
    putMaintenance('october');
    const { caches, names } = startCaches();
    await caches.synced;
    expect(names()).toEqual([]);
    isKnown = true;
    await eventually('they are known', () => names().length === 1);
  });
});
