import { describe, expect, test } from '@jest/globals';
import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { answered, readyCluster } from '../../test/support/observed-cluster.ts';
import type { Node } from '../api/kubernetes.ts';
import type { ProxyReport } from './proxy-report.ts';
import { zoneChanges } from './zone-changes.ts';

const context = clusterContext();
const observed = readyCluster(context);
const storages = ['gitaly-default-0', 'gitaly-default-1', 'gitaly-default-2'];

const nodeOf = (storage: string, labels: Readonly<Record<string, string>>): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: `node-of-${storage}`, labels },
});
const inZone = (storage: string, zone: string) =>
  nodeOf(storage, { 'topology.kubernetes.io/zone': zone });
const nodes = storages.map((storage, index) => inZone(storage, `zone-${index}`));

/** Proxies that take storages to be in these zones. */
function knowing(zones: Readonly<Record<string, string>>, options = {}): ProxyReport {
  const report = answered({ default: {} }, options);
  if (report.kind === 'silent') throw new Error('they answer');
  const virtualStorages = report.virtualStorages.map((virtualStorage) => {
    const known = storages.map((name) => ({
      name,
      healthy: true,
      healthReason: '',
      replicas: 0,
      inSync: 0,
      primaries: 0,
      ...(zones[name] !== undefined && { zone: zones[name] }),
    }));
    return Object.assign({}, virtualStorage, { storages: known });
  });
  return { ...report, virtualStorages };
}

describe('the proxies are told', () => {
  test('in which zone the node of each storage is, until they know it', () => {
    const changes = zoneChanges(context, { ...observed, report: knowing({}) }, nodes);
    expect(changes).toEqual(
      storages.map((storage, index) => ({
        virtualStorage: 'default',
        storage,
        zone: `zone-${index}`,
      })),
    );
    const known = Object.fromEntries(changes.map(({ storage, zone }) => [storage, zone]));
    expect(zoneChanges(context, { ...observed, report: knowing(known) }, nodes)).toEqual([]);
    const moved = knowing({ ...known, 'gitaly-default-1': 'elsewhere' });
    expect(zoneChanges(context, { ...observed, report: moved }, nodes)).toEqual([changes[1]]);
  });

  test('nothing of a storage whose zone nobody knows now: what was known of it stays', () => {
    const report = knowing({ 'gitaly-default-0': 'zone-0', 'gitaly-default-1': 'zone-1' });
    const waiting = observed.pods
      .filter(({ metadata }) => metadata.name !== 'gitaly-default-0')
      .map((pod) => Object.assign({}, pod, { spec: { containers: [] } }));
    expect(zoneChanges(context, { pods: waiting, report }, nodes)).toEqual([]);
    const unlabelled = storages.map((storage) => nodeOf(storage, {}));
    expect(zoneChanges(context, { ...observed, report }, unlabelled)).toEqual([]);
    expect(zoneChanges(context, { ...observed, report }, [])).toEqual([]);
  });

  test('nothing while they could not keep it, or do not have the storage', () => {
    const away = knowing({}, { storeReachable: false });
    expect(zoneChanges(context, { ...observed, report: away }, nodes)).toEqual([]);
    const silent = { kind: 'silent', message: 'nobody' } as const;
    expect(zoneChanges(context, { ...observed, report: silent }, nodes)).toEqual([]);
    const others = answered({ other: {} });
    expect(zoneChanges(context, { ...observed, report: others }, nodes)).toEqual([]);
  });
});
