import { describe, expect, test } from '@jest/globals';

import { gitalyCluster } from '../../test/support/gitaly-cluster.ts';
import { effectiveSpec } from './effective-spec.ts';
import type { GitalyClusterSpec, VirtualStorageSpec } from './generated/gitaly-cluster.ts';

const effective = (spec: Partial<GitalyClusterSpec>) =>
  effectiveSpec(gitalyCluster(spec), { proxyImage: 'operator:1' });

const storage = (spec: Partial<VirtualStorageSpec>) =>
  effective({ virtualStorages: [{ name: 'default', ...spec }] }).virtualStorages[0];

describe('the effective spec', () => {
  test.each([
    [{}, { storages: 3, replicationFactor: 3, minInSyncReplicas: 2 }],
    [{ storages: 1 }, { storages: 1, replicationFactor: 1, minInSyncReplicas: 1 }],
    [{ storages: 2 }, { storages: 2, replicationFactor: 2, minInSyncReplicas: 1 }],
    [{ storages: 9 }, { storages: 9, replicationFactor: 3, minInSyncReplicas: 2 }],
    [
      { storages: 9, replicationFactor: 5 },
      { replicationFactor: 5, minInSyncReplicas: 2 },
    ],
    [{ minInSyncReplicas: 3 }, { replicationFactor: 3, minInSyncReplicas: 3 }],
  ])('of a virtual storage with %j has %j', (spec, expected) => {
    expect(storage(spec)).toMatchObject(expected);
  });

  test('lets as many storages be away as go together, if nothing else is said', () => {
    expect(effective({}).update).toMatchObject({ groupSize: 1, maxUnavailable: 1 });
    const group = effective({ update: { groupSize: 5 } }).update;
    expect(group).toMatchObject({ maxUnavailable: 5, minAvailableReplicas: undefined });
    const limited = { groupSize: 5, maxUnavailable: 2, minAvailableReplicas: 0 };
    expect(effective({ update: limited }).update).toMatchObject(limited);
  });

  test('fills in everything that a small spec leaves out', () => {
    expect(effective({})).toMatchObject({
      virtualStorages: [{ name: 'default', volume: { size: '50Gi' } }],
      gitaly: { gracefulRestartTimeoutSeconds: 60 },
      gitlab: undefined,
      proxy: { replicas: 2, workers: 1, image: 'operator:1' },
      database: { kind: 'managed', secretName: 'gitaly-database', volume: { size: '5Gi' } },
      clientToken: { name: 'gitaly-client-token', key: 'token', generated: true },
      clientAuthTransitioning: false,
      tls: { proxySecret: undefined, storageSecret: undefined },
      deletionPolicy: 'Retain',
      paused: false,
    });
  });

  test('gives a proxy the workers that it asks for, or one for each core', () => {
    const resources = { limits: { cpu: '2' } };
    expect(effective({ proxy: { resources } }).proxy.workers).toBe(2);
    expect(effective({ proxy: { resources, workers: 1 } }).proxy.workers).toBe(1);
  });

  test('refuses what an old CRD may have let pass', () => {
    expect(() => storage({ storages: 2, replicationFactor: 3 })).toThrow(
      'minInSyncReplicas (2) may not be larger than replicationFactor (3), nor that than storages (2)',
    );
    expect(() => effective({ database: {} })).toThrow('exactly one of secretRef and managed');
    expect(() => effective({ database: { managed: {}, secretRef: { name: 'x' } } })).toThrow(
      'exactly one of secretRef and managed',
    );
  });
});
