import { describe, expect, test } from '@jest/globals';
import { dump } from 'js-yaml';

import { clusterContext, gitalyCluster } from '../../test/support/gitaly-cluster.ts';
import { effectiveSpec } from '../api/effective-spec.ts';
import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import type { KubeObject, PersistentVolumeClaim, Secret } from '../api/kubernetes.ts';
import { desiredObjects } from './desired-objects.ts';
import { markedOnlyBudget } from './disruption-budget.ts';

const nothing = { statefulSets: [], claims: [], pods: [] };

function desired(spec: Partial<GitalyCluster['spec']> = {}): KubeObject[] {
  const context = clusterContext(spec);
  return desiredObjects({ context, observed: nothing, gitalyToken: 'secret-token' });
}

const titles = (objects: readonly KubeObject[]) =>
  objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);

describe('the desired objects', () => {
  test('are these, in this order, for a cluster with a managed database', () => {
    expect(titles(desired())).toEqual([
      'Service gitaly-database',
      'PodDisruptionBudget gitaly-database',
      'StatefulSet gitaly-database',
      'Secret gitaly-default-config',
      'Service gitaly-default',
      'PodDisruptionBudget gitaly-default',
      'StatefulSet gitaly-default',
      'ConfigMap gitaly-proxy-config',
      'Service gitaly-proxy',
      'Service gitaly-proxy-headless',
      'PodDisruptionBudget gitaly-proxy',
      'Deployment gitaly-proxy',
    ]);
  });

  test('have no database if the user brings one', () => {
    const objects = titles(desired({ database: { secretRef: { name: 'mine' } } }));
    expect(objects.filter((title) => title.includes('database'))).toEqual([]);
  });

  test('are not too large for etcd with as many storages as a virtual storage may have', () => {
    const sizes = desired({ virtualStorages: [{ name: 'default', storages: 256 }] }).map(
      (object) => JSON.stringify(object).length,
    );
    expect(Math.max(...sizes)).toBeLessThan(2 ** 20);
  });

  test('have the objects of each virtual storage', () => {
    const objects = titles(desired({ virtualStorages: [{ name: 'fast' }, { name: 'archive' }] }));
    expect(objects.filter((title) => title.startsWith('StatefulSet'))).toEqual([
      'StatefulSet gitaly-database',
      'StatefulSet gitaly-fast',
      'StatefulSet gitaly-archive',
    ]);
  });

  test.each(desired().map((object) => [`${object.kind} ${object.metadata.name}`, object] as const))(
    '%s is as it was reviewed',
    (_title, object) => {
      expect(dump(object, { noRefs: true })).toMatchSnapshot();
    },
  );

  test('differ in the proxies alone after an upgrade of the operator', () => {
    const before = desired();
    const spec = effectiveSpec(gitalyCluster(), { proxyImage: 'gitaly-operator:2' });
    const context = { ...clusterContext(), spec };
    const after = desiredObjects({ context, observed: nothing, gitalyToken: 'secret-token' });
    const changed = after.filter((object, at) => dump(object) !== dump(before[at]));
    expect(titles(after)).toEqual(titles(before));
    expect(titles(changed)).toEqual(['Deployment gitaly-proxy']);
  });

  test('let one storage be evicted at a time where nobody sees which nodes are about to go', () => {
    const context = { ...clusterContext(), watchesNodes: false };
    const { spec } = markedOnlyBudget(context, { component: 'storage' }, 'gitaly-default');
    expect([spec.maxUnavailable, spec.selector.matchExpressions]).toEqual([1, undefined]);
  });

  test('never repeat the token outside of a Secret', () => {
    const leaky = desired().filter((object) => JSON.stringify(object).includes('secret-token'));
    expect(titles(leaky)).toEqual([]);
    const secret = desired().find((object): object is Secret => object.kind === 'Secret');
    const files = Object.values(secret?.data ?? {}).map((file) => atob(file));
    expect(files).toHaveLength(3);
    for (const file of files) expect(file).toContain('token = "secret-token"');
  });

  test('all belong to the cluster', () => {
    for (const { metadata } of desired()) {
      expect(metadata.ownerReferences).toEqual([expect.objectContaining({ uid: 'uid-1' })]);
      expect(metadata.labels).toMatchObject({ 'gitaly.dev/cluster': 'gitaly' });
    }
  });

  test('grow a claim that is smaller than the spec says, and no other', () => {
    const claim = (name: string, storage: string): PersistentVolumeClaim => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace: 'git', resourceVersion: '7' },
      spec: { resources: { requests: { storage } } },
    });
    const claims = [
      claim('repositories-gitaly-default-0', '50Gi'),
      claim('repositories-gitaly-default-1', '100Gi'),
      claim('repositories-someone-elses-0', '1Gi'),
      claim('data-gitaly-database-0', '1Gi'),
    ];
    const objects = desiredObjects({
      context: clusterContext({
        virtualStorages: [{ name: 'default', volume: { size: '100Gi' } }],
      }),
      observed: { ...nothing, claims },
      gitalyToken: 't',
    });
    expect(objects.filter(({ kind }) => kind === 'PersistentVolumeClaim')).toEqual([
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'repositories-gitaly-default-0', namespace: 'git' },
        spec: { resources: { requests: { storage: '100Gi' } } },
      },
      expect.objectContaining({ metadata: { name: 'data-gitaly-database-0', namespace: 'git' } }),
    ]);
  });
});
