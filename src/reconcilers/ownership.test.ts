import { describe, expect, test } from '@jest/globals';

import type { KubeObject, OwnerReference } from '../api/kubernetes.ts';
import { ownershipOf } from './ownership.ts';

const cluster = { name: 'gitaly', uid: 'uid-1' };

function service(labels: Record<string, string>, owner?: Partial<OwnerReference>): KubeObject {
  const whole = { apiVersion: 'v1', kind: 'GitalyCluster', name: 'gitaly', uid: 'uid-1' };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'gitaly-proxy',
      labels,
      ...(owner && { ownerReferences: [{ ...whole, controller: true, ...owner }] }),
    },
  };
}

const labels = { 'gitaly.dev/cluster': 'gitaly' };

describe('an existing object of a needed name', () => {
  test('is ours with our label and our owner', () => {
    expect(ownershipOf(cluster, service(labels, {}))).toEqual({ kind: 'ours' });
  });

  test('is ours with our label and no owner, as what a deleted cluster left under Retain', () => {
    expect(ownershipOf(cluster, service(labels))).toEqual({ kind: 'ours' });
  });

  test('is not ours without our label', () => {
    expect(ownershipOf(cluster, service({}))).toEqual({
      kind: 'foreign',
      message:
        'Service gitaly-proxy is needed and was not made by this cluster: delete or rename it, or rename the cluster',
    });
  });

  test('is not ours if another thing owns it', () => {
    const ownership = ownershipOf(cluster, service(labels, { kind: 'Helm', name: 'x', uid: 'u' }));
    expect(ownership).toMatchObject({
      kind: 'foreign',
      message: expect.stringContaining('belongs to Helm x'),
    });
  });

  test('is waited for if it belongs to a deleted cluster of the same name', () => {
    expect(ownershipOf(cluster, service(labels, { uid: 'uid-0' }))).toMatchObject({
      kind: 'foreign',
      message: expect.stringContaining('waiting for it'),
    });
  });
});
