import { describe, expect, test } from '@jest/globals';

import { clusterContext, gitalyCluster } from '../../../test/support/gitaly-cluster.ts';
import { answered, podOf, readyCluster, setOf } from '../../../test/support/observed-cluster.ts';
import type { GitalyCluster, GitalyClusterStatus } from '../../api/generated/gitaly-cluster.ts';
import type { Pod } from '../../api/kubernetes.ts';
import type { ProxyReport, StorageReport } from '../proxy-report.ts';
import { refreshIntervalMs } from '../refresh-interval.ts';
import { observeRoll } from '../rollout/observe-roll.ts';
import { planRoll } from '../rollout/roll-plan.ts';
import { clusterStatus } from './cluster-status.ts';

const context = clusterContext();
const names = [0, 1, 2].map((ordinal) => `gitaly-default-${ordinal}`);
const [first = '', second = ''] = names;
const now = '2026-01-01T12:00:00Z';
const drain = {
  requesters: [{ requester: 'operator', reason: 'its pod is outdated', requestedMs: 0 }],
  unaware: [],
  calls: [],
  drained: true,
};

/** The pod of a storage, of the revision wanted or of the one before. */
function pod(name: string, revision: 'old' | 'new', status?: Pod['status']): Pod {
  const made = podOf(context, name, { component: 'storage', virtualStorage: 'default' });
  const labels = {
    ...made.metadata.labels,
    'controller-revision-hash': revision === 'new' ? 'revision-2' : 'revision-1',
  };
  return { ...made, metadata: { ...made.metadata, labels }, ...(status && { status }) };
}

interface Situation {
  readonly pods: readonly Pod[];
  readonly leavingNodes?: ReadonlyMap<string, string>;
  readonly reports?: Readonly<Record<string, Partial<StorageReport>>>;
  readonly degraded?: number;
  readonly spec?: Partial<GitalyCluster['spec']>;
  readonly previous?: GitalyClusterStatus;
}

function statusOf(situation: Situation): GitalyClusterStatus {
  const { pods, reports = {}, degraded = 0, spec = {}, leavingNodes = new Map() } = situation;
  const ready = readyCluster(context);
  const observed = {
    ...ready,
    statefulSets: [setOf(context, 'gitaly-default', 'revision-2')],
    leavingNodes,
    pods: [...ready.pods.filter(({ metadata }) => !names.includes(metadata.name)), ...pods],
    report: withReports(answered({ default: { degraded } }), reports),
  };
  const input = { context: clusterContext(spec), observed, outcome: { kind: 'applied' } as const };
  const roll = planRoll(observeRoll({ ...input, nowMs: 0 }));
  const { previous } = situation;
  const resource = { ...gitalyCluster(spec), ...(previous && { status: previous }) };
  return clusterStatus({ ...input, resource, roll, scaleDowns: [] }, now);
}

function withReports(report: ProxyReport, reports: NonNullable<Situation['reports']>): ProxyReport {
  if (report.kind === 'silent') return report;
  return {
    ...report,
    virtualStorages: report.virtualStorages.map((one) =>
      Object.assign({}, one, {
        storages: one.storages.map((storage) => Object.assign({}, storage, reports[storage.name])),
      }),
    ),
  };
}

function conditionOf({ conditions = [] }: GitalyClusterStatus, type: string) {
  return conditions.find((condition) => condition.type === type);
}

function storageOf({ virtualStorages = [] }: GitalyClusterStatus, name: string) {
  return virtualStorages[0]?.storages.find((storage) => storage.name === name);
}

describe('the status of a roll', () => {
  test('shows at a glance how far it is, and each storage’s turn', () => {
    const status = statusOf({
      pods: [pod(first, 'new'), pod(second, 'old'), pod('gitaly-default-2', 'old')],
      reports: { [second]: { drain } },
    });
    expect(status).toMatchObject({ phase: 'Progressing', reason: 'RollingUpdate', updated: '1/3' });
    expect(status.message).toBe('1 of 3 storages are up to date; gitaly-default-1 is drained');
    expect(storageOf(status, first)).not.toHaveProperty('update');
    expect(storageOf(status, second)).toMatchObject({
      outdated: true,
      update: 'Drained',
      drain: {
        requesters: ['operator (its pod is outdated)'],
        drained: true,
        message: 'no client is left',
      },
    });
    expect(storageOf(status, 'gitaly-default-2')).toMatchObject({ update: 'Outdated' });
  });

  test('says why a storage was not chosen, until those that were are back', () => {
    const pods = names.map((name) => pod(name, 'old'));
    const chosen = statusOf({ pods });
    const why = 'is outdated: image and configuration, and waits: gitaly-default-0 goes first';
    expect(storageOf(chosen, second)?.updateMessage).toBe(why);
    expect(storageOf(chosen, first)?.updateMessage).toBe('is outdated: image and configuration');
    const drained = statusOf({ pods, reports: { [first]: { drain } }, previous: chosen });
    expect(storageOf(drained, second)?.updateMessage).toBe(why);
    const itself = statusOf({ pods, reports: { [second]: { drain } }, previous: drained });
    expect(storageOf(itself, second)?.updateMessage).toBe('is drained');
  });

  test('is asked for often while pods are replaced', () => {
    const rolling = statusOf({ pods: names.map((name) => pod(name, 'old')) });
    const done = statusOf({ pods: names.map((name) => pod(name, 'new')) });
    expect(refreshIntervalMs(rolling)).toBeLessThan(refreshIntervalMs(done));
  });

  test('names a person’s drain too', () => {
    const byAlice = { ...drain, requesters: [{ requester: 'alice', reason: '', requestedMs: 0 }] };
    const pods = names.map((name) => pod(name, 'new'));
    const status = statusOf({ pods, reports: { [first]: { drain: byAlice } } });
    expect(status).toMatchObject({ phase: 'Ready', updated: '3/3' });
    expect(storageOf(status, first)?.drain?.requesters).toEqual(['alice']);
  });

  test('shows a storage whose node is about to go, which is not outdated for that', () => {
    const pods = names.map((name) => pod(name, 'new'));
    const leavingNodes = new Map([[`node-of-${second}`, 'node n-2 is cordoned']]);
    const status = statusOf({ pods, leavingNodes });
    expect(status).toMatchObject({ reason: 'NodesLeaving', updated: '3/3' });
    expect(storageOf(status, second)).toMatchObject({
      update: 'Leaving',
      updateMessage: 'is to be drained, as node n-2 is cordoned',
    });
    expect(storageOf(status, second)).not.toHaveProperty('outdated');
    const drained = statusOf({ pods, leavingNodes, reports: { [second]: { drain } } });
    expect(storageOf(drained, second)).toMatchObject({ update: 'Drained' });
    expect(refreshIntervalMs(drained)).toBe(refreshIntervalMs(status));
  });

  test('says that it is paused, and that the cluster is well all the same', () => {
    const pods = names.map((name) => pod(name, 'old'));
    expect(statusOf({ pods, spec: { update: { paused: true } } })).toMatchObject({
      phase: 'Ready',
      reason: 'UpdatePaused',
      updated: '0/3',
    });
  });
});

describe('a storage that is away', () => {
  const others = [pod(first, 'old'), pod('gitaly-default-2', 'old')];

  test('with others, as their pods are replaced together, is no accident either', () => {
    const reports = {
      [first]: { healthy: false, drain },
      [second]: { healthy: false, drain },
    };
    const pods = [pod('gitaly-default-2', 'old')];
    const status = statusOf({ pods, reports, degraded: 20 });
    expect(conditionOf(status, 'DataSafe')).toMatchObject({
      reason: 'StorageUpdating',
      message:
        'repositories: 20 in default, with a replica on gitaly-default-0 and gitaly-default-1, whose pods are being replaced; every other replica is in sync',
    });
    const more = statusOf({ pods, reports, degraded: 21 });
    expect(conditionOf(more, 'DataSafe')).toMatchObject({ reason: 'ReplicasBehind' });
  });

  test('as its pod is replaced is no accident, and not hidden', () => {
    const reports = { [second]: { healthy: false, drain } };
    const status = statusOf({ pods: others, reports, degraded: 10 });
    expect(status).toMatchObject({ reason: 'RollingUpdate', data: 'Degraded', updated: '0/3' });
    expect(conditionOf(status, 'DataSafe')).toMatchObject({
      status: 'False',
      reason: 'StorageUpdating',
      message:
        'repositories: 10 in default, with a replica on gitaly-default-1, whose pod is being replaced; every other replica is in sync',
    });
    expect(storageOf(status, second)).toMatchObject({ update: 'Restarting' });
  });

  test.each([
    ['another one is behind', { [second]: { healthy: false, drain }, [first]: { inSync: 9 } }],
    ['nobody has drained it', { [second]: { healthy: false } }],
  ])('is an accident if %s', (_what, reports) => {
    const status = statusOf({ pods: others, reports, degraded: 10 });
    expect(status.reason).toBe('ReplicasBehind');
  });

  test('as its new pod does not work halts the roll, and that is what is told', () => {
    const waiting = { reason: 'ImagePullBackOff', message: 'no such image' };
    const failed = pod(second, 'new', {
      containerStatuses: [{ name: 'gitaly', state: { waiting } }],
    });
    const reports = { [second]: { healthy: false, drain } };
    const status = statusOf({ pods: [...others, failed], reports, degraded: 10 });
    expect(status).toMatchObject({ phase: 'Progressing', reason: 'UpdateHalted' });
    expect(conditionOf(status, 'Progressing')).toMatchObject({
      status: 'False',
      message: expect.stringMatching(/ImagePullBackOff: no such image.*Correct the spec/),
    });
    expect(conditionOf(status, 'DataSafe')).toMatchObject({ reason: 'ReplicasBehind' });
    expect(storageOf(status, second)).toMatchObject({ update: 'Failed' });
  });
});
