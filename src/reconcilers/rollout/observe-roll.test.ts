import { describe, expect, test } from '@jest/globals';

import { clusterContext } from '../../../test/support/gitaly-cluster.ts';
import { answered, podOf, readyCluster, setOf } from '../../../test/support/observed-cluster.ts';
import type { Pod } from '../../api/kubernetes.ts';
import type { ObservedCluster } from '../observed-cluster.ts';
import { observeRoll } from './observe-roll.ts';
import { outdatedReasons } from './outdated-reasons.ts';

const context = clusterContext();
const set = setOf(context, 'gitaly-default', 'revision-2');
const { template } = set.spec;

const noMaintenance = {
  groupSize: 1,
  maxUnavailable: 1,
  nodesToClear: new Map(),
  awaiting: new Map(),
};

/** A pod made from the template, but for what is given. */
function podWith(image: string | undefined, checksum: string | undefined): Pod {
  const pod = podOf(context, 'gitaly-default-0', { component: 'storage' });
  const annotations = {
    ...template.metadata.annotations,
    ...(checksum !== undefined && { 'gitaly.dev/config-checksum': checksum }),
  };
  const containers = template.spec.containers.map((one) =>
    Object.assign({}, one, image && { image }),
  );
  return { ...pod, metadata: { ...pod.metadata, annotations }, spec: { containers } };
}

describe('the reasons why a pod is outdated', () => {
  test.each([
    ['another image', podWith('old:1', undefined), ['image']],
    ['another configuration', podWith(undefined, 'old'), ['configuration']],
    ['both', podWith('old:1', 'old'), ['image', 'configuration']],
    ['none of them', podWith(undefined, undefined), ['template']],
  ])('with %s are known by the pod', (_what, pod, reasons) => {
    expect(outdatedReasons(pod, set)).toEqual(reasons);
  });

  test('are none if it is of the revision wanted, whatever was written into it since', () => {
    expect(outdatedReasons(podWith('old:1', 'old'), setOf(context, 'gitaly-default'))).toEqual([]);
  });

  test('are unknown until Kubernetes has looked at the newest template', () => {
    const unseen = { ...set, metadata: { ...set.metadata, generation: 2 } };
    expect(outdatedReasons(podWith('old:1', undefined), unseen)).toBeUndefined();
    expect(outdatedReasons(podWith('old:1', undefined), undefined)).toBeUndefined();
  });
});

describe('what a roll is decided from', () => {
  function observe(observed: Partial<ObservedCluster> = {}) {
    const whole = { ...readyCluster(context), ...observed };
    return observeRoll({ context, observed: whole, outcome: { kind: 'applied' }, nowMs: 5 });
  }

  test('is what is observed of each storage, and the deadlines in milliseconds', () => {
    expect(observe()).toMatchObject({
      nowMs: 5,
      policy: { paused: false, drainDeadlineMs: 600_000, readyDeadlineMs: 600_000 },
      isApplied: true,
      proxies: { kind: 'answered', away: [] },
      virtualStorages: [
        {
          name: 'default',
          short: 0,
          refusing: 0,
          storages: [0, 1, 2].map((ordinal) => ({
            name: `gitaly-default-${ordinal}`,
            pod: { kind: 'present', outdated: [], readiness: { kind: 'ready' } },
            report: { healthy: true },
          })),
        },
      ],
    });
  });

  test('has the nodes that are about to go as a reason, and the marks of pods', () => {
    const pod = podOf(context, 'gitaly-default-0', { component: 'storage' });
    const at = '2026-01-01T12:00:00.000Z';
    const annotations = { 'gitaly.dev/evictable-since': at };
    const labels = { ...pod.metadata.labels, 'gitaly.dev/evictable': 'true' };
    const marked = { ...pod, metadata: { ...pod.metadata, labels, annotations } };
    const leavingNodes = new Map([[pod.spec.nodeName ?? '', 'it is cordoned']]);
    expect(observe({ pods: [marked], leavingNodes }).virtualStorages[0]?.storages[0]?.pod).toEqual({
      kind: 'present',
      uid: 'uid-of-gitaly-default-0',
      outdated: ['node'],
      leaving: 'it is cordoned',
      eviction: { isAllowed: true, sinceMs: Date.parse(at) },
      readiness: { kind: 'ready' },
    });
  });

  test('has a maintenance of its node as a reason, and what to do with that; not if somebody else clears it', () => {
    const pod = podOf(context, 'gitaly-default-0', { component: 'storage' });
    const node = pod.spec.nodeName ?? '';
    const toClear = { node, mark: 'gitlab/gitaly/patch', reason: 'node is in maintenance patch' };
    const maintenance = { ...noMaintenance, nodesToClear: new Map([[node, toClear]]) };
    const podWhen = (observed: Partial<ObservedCluster>) =>
      observe({ pods: [pod], maintenance, ...observed }).virtualStorages[0]?.storages[0]?.pod;
    expect(podWhen({})).toMatchObject({
      outdated: ['maintenance'],
      leaving: 'node is in maintenance patch',
      maintenance: toClear,
    });
    const other = podWhen({ leavingNodes: new Map([[node, 'it is cordoned']]) });
    expect(other).toMatchObject({ outdated: ['node'], leaving: 'it is cordoned' });
    expect(other).toHaveProperty('maintenance', undefined);
  });

  test("has the groups of a maintenance in place of the spec's", () => {
    expect(observe().group).toEqual({ size: 1, maxUnavailable: 1 });
    const maintenance = { ...noMaintenance, groupSize: 7, maxUnavailable: 5 };
    expect(observe({ maintenance }).group).toEqual({ size: 7, maxUnavailable: 5 });
  });

  test('does not count the time for which a pod waits for its node in a maintenance', () => {
    const { spec, ...pod } = podOf(context, 'gitaly-default-0', { component: 'storage' });
    const since = { type: 'Ready', status: 'False', lastTransitionTime: '1970-01-01T00:00:03Z' };
    const sinceMsWhen = (upMs: number | undefined, nodeName?: string) => {
      const waiting: Pod = {
        ...pod,
        spec: { containers: spec.containers, ...(nodeName !== undefined && { nodeName }) },
        status: { conditions: [since] },
      };
      const maintenance = { ...noMaintenance, awaiting: new Map([['gitaly-default-0', upMs]]) };
      const [storage] =
        observe({ pods: [waiting], maintenance }).virtualStorages[0]?.storages ?? [];
      const readiness = storage?.pod.kind === 'present' ? storage.pod.readiness : undefined;
      return readiness?.kind === 'notReady' ? readiness.sinceMs : 'none';
    };
    expect(sinceMsWhen(undefined)).toBeUndefined();
    expect(sinceMsWhen(60_000)).toBe(60_000);
    expect(sinceMsWhen(undefined, 'another')).toBe(3000);
  });

  test('counts the repositories that lack replicas, and those that refuse writes', () => {
    const report = answered({ default: { degraded: 1, atRisk: 2, unavailable: 3 } });
    expect(observe({ report }).virtualStorages).toMatchObject([{ short: 6, refusing: 5 }]);
  });

  test('names the ready proxies that are out of touch', () => {
    const report = { ...answered({ default: {} }), inTouch: ['gitaly-proxy-1'] };
    expect(observe({ report }).proxies).toEqual({ kind: 'answered', away: ['gitaly-proxy-0'] });
  });

  test('is nothing of what a proxy says that cannot reach its database', () => {
    const observation = observe({ report: answered({ default: {} }, { storeReachable: false }) });
    expect(observation.proxies).toEqual({ kind: 'storeUnreachable' });
    expect(observation.virtualStorages[0]?.storages[0]?.report).toBeUndefined();
  });

  test('tells a pod that has failed from one that only starts', () => {
    const pod = podOf(context, 'gitaly-default-0', { component: 'storage' });
    const since = { type: 'Ready', status: 'False', lastTransitionTime: '1970-01-01T00:00:03Z' };
    const withState = (state: object): Pod => ({
      ...pod,
      status: { conditions: [since], containerStatuses: [{ name: 'gitaly', ...state }] },
    });
    const readinessOf = (one: Pod) => {
      const [storage] = observe({ pods: [one] }).virtualStorages[0]?.storages ?? [];
      return storage?.pod.kind === 'present' ? storage.pod.readiness : undefined;
    };
    const waiting = { state: { waiting: { reason: 'ImagePullBackOff' } } };
    expect(readinessOf(withState(waiting))).toEqual({
      kind: 'notReady',
      message: 'container gitaly waits: ImagePullBackOff',
      sinceMs: 3000,
      isFailing: true,
      isRunning: false,
    });
    const running = { state: { running: {} } };
    expect(readinessOf(withState(running))).toMatchObject({ isFailing: false, isRunning: true });
    expect(readinessOf(withState({ ...running, restartCount: 3 }))).toMatchObject({
      isFailing: true,
    });
  });
});
