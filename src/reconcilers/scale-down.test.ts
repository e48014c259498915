import { describe, expect, test } from '@jest/globals';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { answered, podOf, readyCluster, setOf } from '../../test/support/observed-cluster.ts';
import type { Pod, StatefulSet } from '../api/kubernetes.ts';
import type { ClusterContext } from './cluster-context.ts';
import { proxyConfig } from './proxy-config.ts';
import { proxyConfigChecksum, proxyConfigChecksumKey } from './proxy-deployment.ts';
import type { ProxyReport } from './proxy-report.ts';
import { scaleDownOf, withDecommissioned } from './scale-down.ts';

const wanted = clusterContext();

/** The StatefulSet with so many replicas. */
function setWith(replicas: number): StatefulSet {
  const set = setOf(wanted, 'gitaly-default');
  return { ...set, spec: { ...set.spec, replicas } };
}

/** The cluster as it is while its fourth and fifth storage are to go. */
const context: ClusterContext = {
  ...wanted,
  spec: {
    ...wanted.spec,
    virtualStorages: wanted.spec.virtualStorages.map((one) =>
      withDecommissioned(one, setWith(5), false),
    ),
  },
};
const [virtualStorage] = context.spec.virtualStorages;

function proxyPod(name: string, checksum = proxyConfigChecksum(context, 'tcp')): Pod {
  const pod = podOf(context, name, { component: 'proxy' });
  const annotations = { [proxyConfigChecksumKey]: checksum };
  return { ...pod, metadata: { ...pod.metadata, annotations } };
}

/** The proxies' report with so many replicas on each storage, by ordinal. */
function reportOf(replicas: readonly number[], storeReachable = true): ProxyReport {
  const report = answered({ default: {} }, { storeReachable });
  if (report.kind === 'silent') return report;
  const storages = replicas.map((count, ordinal) => ({
    name: `gitaly-default-${ordinal}`,
    healthy: true,
    healthReason: '',
    replicas: count,
    inSync: count,
    primaries: 0,
  }));
  const virtualStorages = report.virtualStorages.map((one) => Object.assign({}, one, { storages }));
  return { ...report, virtualStorages };
}

const proxies = [proxyPod('gitaly-proxy-0'), proxyPod('gitaly-proxy-1')];

function scaleDown(report: ProxyReport, pods: readonly Pod[] = proxies) {
  if (!virtualStorage) throw new Error('there is a virtual storage');
  return scaleDownOf(context, virtualStorage, { pods, report });
}

describe('a virtual storage with more storages than the spec asks for', () => {
  test('keeps them for now, and has the proxies keep clients away from the last ones', () => {
    expect(virtualStorage).toMatchObject({ storages: 5, decommissioned: 2 });
    const [configured] = proxyConfig(context, 'tcp').virtualStorages;
    expect(configured?.storages.map(({ name, decommissioned }) => [name, decommissioned])).toEqual([
      ['gitaly-default-0', undefined],
      ['gitaly-default-1', undefined],
      ['gitaly-default-2', undefined],
      ['gitaly-default-3', true],
      ['gitaly-default-4', true],
    ]);
  });

  test('gives them up when they were found empty', () => {
    const [asWanted] = wanted.spec.virtualStorages;
    if (!asWanted) throw new Error('there is a virtual storage');
    expect(withDecommissioned(asWanted, setWith(5), true)).toEqual(asWanted);
    for (const set of [undefined, setWith(3), setWith(2)]) {
      expect(withDecommissioned(asWanted, set, false)).toEqual(asWanted);
    }
  });

  test('waits until nothing is left on any of them', () => {
    expect(scaleDown(reportOf([9, 9, 9, 7, 5]))).toEqual({
      kind: 'moving',
      message:
        'gitaly-default-3 and gitaly-default-4 are to go: 12 replicas are to be moved elsewhere',
    });
    expect(scaleDown(reportOf([9, 9, 9, 0, 1])).kind).toBe('moving');
    expect(scaleDown(reportOf([9, 9, 9, 0, 0]))).toEqual({ kind: 'emptied' });
  });

  test('does not take them for empty while a proxy might put something there', () => {
    const old = proxyPod('gitaly-proxy-2', proxyConfigChecksum(wanted, 'tcp'));
    expect(scaleDown(reportOf([9, 9, 9, 0, 0]), [...proxies, old])).toEqual({
      kind: 'moving',
      message:
        'gitaly-default-3 and gitaly-default-4 are to go: gitaly-proxy-2 must be replaced first',
    });
  });

  test('does not take them for empty where nobody can tell', () => {
    const silent: ProxyReport = { kind: 'silent', message: 'no answer' };
    const outdated = reportOf([9, 9, 9, 0, 0], false);
    for (const report of [silent, outdated, reportOf([9, 9, 9, 0]), reportOf([9, 9, 9])]) {
      expect(scaleDown(report).kind).toBe('moving');
    }
  });
});

test('a virtual storage with as many storages as the spec asks for has nothing to wait for', () => {
  const { pods, report } = readyCluster(wanted);
  for (const one of wanted.spec.virtualStorages) {
    expect(scaleDownOf(wanted, one, { pods, report })).toEqual({ kind: 'none' });
  }
});
