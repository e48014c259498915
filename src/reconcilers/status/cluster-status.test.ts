import { describe, expect, test } from '@jest/globals';

import { clusterContext, gitalyCluster } from '../../../test/support/gitaly-cluster.ts';
import {
  answered,
  deploymentOf,
  podOf,
  readyCluster,
  setOf,
} from '../../../test/support/observed-cluster.ts';
import type { GitalyCluster, GitalyClusterStatus } from '../../api/generated/gitaly-cluster.ts';
import type { ConditionType } from '../../api/conditions.ts';
import type { Pod } from '../../api/kubernetes.ts';
import type { ApplyOutcome, ObservedCluster } from '../observed-cluster.ts';
import { observeRoll } from '../rollout/observe-roll.ts';
import type { ScaleDown } from '../scale-down.ts';
import { planRoll } from '../rollout/roll-plan.ts';
import { clusterStatus, invalidStatus } from './cluster-status.ts';

interface Situation {
  readonly spec?: Partial<GitalyCluster['spec']>;
  readonly observed?: Partial<ObservedCluster>;
  readonly outcome?: ApplyOutcome;
  readonly previous?: GitalyClusterStatus;
  readonly scaleDowns?: readonly ScaleDown[];
  readonly now?: string;
}

const noon = '2026-01-01T12:00:00Z';

function statusOf(situation: Situation): GitalyClusterStatus {
  const { spec = {}, observed = {}, outcome = { kind: 'applied' }, previous } = situation;
  const { scaleDowns = [] } = situation;
  const context = clusterContext(spec);
  const resource = gitalyCluster(spec, previous && { status: previous });
  const whole = { ...readyCluster(context), ...observed };
  const now = situation.now ?? noon;
  const roll = planRoll(observeRoll({ context, observed: whole, outcome, nowMs: Date.parse(now) }));
  return clusterStatus({ resource, context, observed: whole, outcome, roll, scaleDowns }, now);
}

function conditionOf({ conditions }: GitalyClusterStatus, type: ConditionType) {
  return conditions?.find((condition) => condition.type === type);
}

const onNode = (pod: Pod, nodeName: string): Pod => ({ ...pod, spec: { ...pod.spec, nodeName } });

const withoutPod = (name: string) =>
  readyCluster(clusterContext()).pods.filter(({ metadata }) => metadata.name !== name);

describe('the status of a cluster', () => {
  test('where all is well says so at a glance', () => {
    expect(statusOf({})).toMatchObject({
      observedGeneration: 1,
      phase: 'Ready',
      reason: 'UpToDate',
      ready: '3/3',
      data: 'Safe',
      repositories: 10,
      degradedRepositories: 0,
      proxy: { ready: '2/2', replicas: 2, readyReplicas: 2 },
      endpoint: {
        address: 'tcp://gitaly-proxy.git.svc:8075',
        tokenSecret: 'gitaly-client-token',
        tokenKey: 'token',
      },
    });
  });

  test('tells the address with TLS if there is one', () => {
    const tls = { proxy: { secretRef: { name: 'proxy-tls' } } };
    expect(statusOf({ spec: { tls } }).endpoint).toMatchObject({
      address: 'tcp://gitaly-proxy.git.svc:8075',
      tlsAddress: 'tls://gitaly-proxy.git.svc:8076',
    });
  });

  test('has every condition once, with the generation it is about', () => {
    expect(
      statusOf({}).conditions?.map(({ type, status, observedGeneration }) => [
        type,
        status,
        observedGeneration,
      ]),
    ).toEqual([
      ['Available', 'True', 1],
      ['DataSafe', 'True', 1],
      ['DatabaseReady', 'True', 1],
      ['Progressing', 'False', 1],
      ['Reconciled', 'True', 1],
      ['Paused', 'False', 1],
    ]);
  });

  test('shows what the proxies say of each storage', () => {
    const [virtualStorage] = statusOf({}).virtualStorages ?? [];
    expect(virtualStorage).toEqual({
      name: 'default',
      ready: '3/3',
      replicationFactor: 3,
      minInSyncReplicas: 2,
      repositories: 10,
      fullyReplicated: 10,
      degraded: 0,
      atRisk: 0,
      unavailable: 0,
      storages: [0, 1, 2].map((ordinal) => ({
        name: `gitaly-default-${ordinal}`,
        ready: true,
        health: 'Healthy',
        volumeSize: '50Gi',
        replicas: 10,
        inSync: 10,
        primaries: 4,
      })),
    });
  });

  test('does not change when nothing does, whatever the time', () => {
    const first = statusOf({});
    expect(statusOf({ previous: first, now: '2026-01-01T13:00:00Z' })).toEqual(first);
  });

  test("changes a condition's time with its status only", () => {
    const first = statusOf({});
    const later = statusOf({
      previous: first,
      now: '2026-01-01T13:00:00Z',
      observed: { report: answered({ default: { degraded: 2 } }) },
    });
    expect(conditionOf(later, 'DataSafe')).toMatchObject({
      status: 'False',
      lastTransitionTime: '2026-01-01T13:00:00Z',
    });
    expect(conditionOf(later, 'Available')).toMatchObject({ lastTransitionTime: noon });
  });

  test('keeps the last counts while no proxy answers, and says that it does not know', () => {
    const first = statusOf({});
    const report = { kind: 'silent', message: 'no proxy has an address yet' } as const;
    expect(statusOf({ previous: first, observed: { report } })).toMatchObject({
      data: 'Unknown',
      repositories: 10,
      virtualStorages: [{ fullyReplicated: 10, storages: [{ health: 'Unknown' }, {}, {}] }],
    });
  });

  test('has no counts before a proxy has said any', () => {
    const report = { kind: 'silent', message: '' } as const;
    expect(statusOf({ observed: { report } })).not.toHaveProperty('repositories');
  });

  test('does not show more ready proxies than wanted while they roll', () => {
    const pods = [
      ...readyCluster(clusterContext()).pods,
      podOf(clusterContext(), 'gitaly-proxy-new', { component: 'proxy' }),
    ];
    expect(statusOf({ observed: { pods } }).proxy).toMatchObject({ ready: '2/2' });
  });
});

describe('whether data is safe', () => {
  test.each([
    [{}, 'Safe', 'True', 'FullyReplicated'],
    [{ degraded: 1 }, 'Degraded', 'False', 'ReplicasBehind'],
    [{ degraded: 1, undecided: 1 }, 'AtRisk', 'False', 'ReplicasDiffer'],
    [{ degraded: 1, atRisk: 1, undecided: 1 }, 'AtRisk', 'False', 'TooFewInSync'],
    [{ degraded: 1, atRisk: 1, unavailable: 1 }, 'Unavailable', 'False', 'NoReplicaInSync'],
  ] as const)('with %j is %s', (counts, data, status, reason) => {
    const situation = statusOf({ observed: { report: answered({ default: counts }) } });
    expect(situation.data).toBe(data);
    expect(conditionOf(situation, 'DataSafe')).toMatchObject({ status, reason });
    expect(situation.reason).toBe(reason === 'FullyReplicated' ? 'UpToDate' : reason);
  });

  test('counts and names the virtual storages concerned', () => {
    const virtualStorages = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
    const report = answered({ a: { degraded: 2 }, b: {}, c: { degraded: 3 } });
    const status = statusOf({ spec: { virtualStorages }, observed: { report } });
    expect(conditionOf(status, 'DataSafe')?.message).toMatch(
      /^repositories: 2 in a and 3 in c, with a replica that is behind/,
    );
    expect(status.degradedRepositories).toBe(5);
  });

  test('is unknown while the proxies cannot reach their database', () => {
    const report = answered({ default: {} }, { storeReachable: false });
    expect(statusOf({ observed: { report } })).toMatchObject({
      data: 'Unknown',
      reason: 'DatabaseNotReady',
    });
  });

  test('is unknown until the proxies know each virtual storage', () => {
    const spec = { virtualStorages: [{ name: 'default' }, { name: 'new' }] };
    const status = statusOf({ spec, observed: { report: answered({ default: {} }) } });
    expect(status.data).toBe('Unknown');
    expect(conditionOf(status, 'DataSafe')).toMatchObject({ reason: 'ConfigurationPending' });
  });

  test('is said together with a warning if storages share a node', () => {
    const pods = readyCluster(clusterContext()).pods.map((pod) =>
      onNode(pod, pod.metadata.name.endsWith('0') ? 'n0' : 'n1'),
    );
    expect(conditionOf(statusOf({ observed: { pods } }), 'DataSafe')?.message).toBe(
      'every replica is in sync; gitaly-default-1 and gitaly-default-2 share node n1 and would fail together',
    );
  });
});

describe('the phase', () => {
  test('is Creating until the cluster was available once, then Unavailable', () => {
    const observed = { pods: [] };
    // No proxy has said anything yet.
    const { repositories: _, ...creating } = statusOf({ observed });
    expect(creating).toMatchObject({ phase: 'Creating', reason: 'NoProxyReady' });
    expect(statusOf({ observed, previous: creating }).phase).toBe('Creating');
    expect(statusOf({ observed, previous: statusOf({}) }).phase).toBe('Unavailable');
  });

  test('is Progressing while a storage is not ready and enough others are', () => {
    const status = statusOf({ observed: { pods: withoutPod('gitaly-default-1') } });
    expect(status).toMatchObject({ phase: 'Progressing', ready: '2/3', reason: 'PodsStarting' });
    expect(conditionOf(status, 'Progressing')?.message).toBe(
      'storages are not ready: default 2/3; gitaly-default-1: the pod does not exist yet',
    );
  });

  test('is Progressing while replicas are moved away from storages that are to go', () => {
    const message = 'gitaly-default-3 is to go: 2 replicas are to be moved elsewhere';
    const status = statusOf({ scaleDowns: [{ kind: 'moving', message }] });
    expect(status).toMatchObject({ phase: 'Progressing', reason: 'ScalingDown', message });
    expect(statusOf({ scaleDowns: [{ kind: 'emptied' }] }).reason).toBe('UpToDate');
  });

  test('is Unavailable with fewer storages ready than a write needs', () => {
    const pods = withoutPod('gitaly-default-1').filter(
      ({ metadata }) => metadata.name !== 'gitaly-default-2',
    );
    const status = statusOf({ observed: { pods }, previous: statusOf({}) });
    expect(status).toMatchObject({ phase: 'Unavailable', reason: 'StoragesNotReady' });
  });

  test('is Paused, and the rest of the status goes on', () => {
    const status = statusOf({ outcome: { kind: 'paused' } });
    expect(status).toMatchObject({ phase: 'Paused', reason: 'PausedBySpec', data: 'Safe' });
    expect(conditionOf(status, 'Paused')).toMatchObject({ status: 'True' });
  });

  test('is not Ready while the spec could not be applied, and the reason says why', () => {
    const message = 'Service gitaly-proxy is needed';
    const status = statusOf({ outcome: { kind: 'failed', reason: 'NameTaken', message } });
    expect(status).toMatchObject({ phase: 'Progressing', reason: 'NameTaken', message });
  });
});

describe('progress', () => {
  test('does not call pods outdated before Kubernetes has looked at the new template', () => {
    const set = setOf(clusterContext(), 'gitaly-default', 'revision-2');
    const statefulSets = [{ ...set, metadata: { ...set.metadata, generation: 2 } }];
    expect(statusOf({ observed: { statefulSets } }).phase).toBe('Ready');
  });

  test('tells of proxies that are being replaced', () => {
    const deployments = [deploymentOf(clusterContext(), { updatedReplicas: 1 })];
    expect(statusOf({ observed: { deployments } })).toMatchObject({ reason: 'ProxiesRolling' });
  });

  test('tells of volumes that are smaller than wanted', () => {
    const spec = { virtualStorages: [{ name: 'default', volume: { size: '80Gi' } }] };
    const claims = readyCluster(clusterContext()).claims;
    const status = statusOf({ spec, observed: { claims } });
    expect(status).toMatchObject({ reason: 'VolumesGrowing' });
    expect(status.message).toMatch(/gitaly-default-0 \(50Gi\)/);
  });
});

describe('the database', () => {
  test.each([
    ['missing', { kind: 'missing' }, 'SecretMissing', /create it with the key uri/],
    [
      'short of keys',
      { kind: 'present', keys: ['host'] },
      'SecretIncomplete',
      /lacks port, dbname/,
    ],
  ] as const)('is not ready while its Secret is %s', (_what, databaseSecret, reason, message) => {
    const condition = conditionOf(statusOf({ observed: { databaseSecret } }), 'DatabaseReady');
    expect(condition).toMatchObject({ status: 'False', reason });
    expect(condition?.message).toMatch(message);
  });

  test('is ready with only a uri, if a proxy reaches it', () => {
    const databaseSecret = { kind: 'present', keys: ['uri'] } as const;
    const status = statusOf({ observed: { databaseSecret } });
    expect(conditionOf(status, 'DatabaseReady')).toMatchObject({ status: 'True' });
  });

  test('that the proxies cannot reach makes the cluster unavailable for writes', () => {
    const spec = { database: { secretRef: { name: 'mine' } } };
    const report = answered({ default: {} }, { storeReachable: false });
    const status = statusOf({ spec, observed: { report } });
    expect(conditionOf(status, 'DatabaseReady')).toMatchObject({ reason: 'Unreachable' });
    expect(conditionOf(status, 'Available')).toMatchObject({ reason: 'DatabaseNotReady' });
  });

  test('that is managed tells what its pod waits for', () => {
    const report = { kind: 'silent', message: 'refused' } as const;
    const pods = withoutPod('gitaly-database-0');
    expect(conditionOf(statusOf({ observed: { report, pods } }), 'DatabaseReady')).toMatchObject({
      status: 'False',
      reason: 'ServerNotReady',
    });
  });
});

describe('an invalid spec', () => {
  test('leaves what is known and says what is wrong', () => {
    const previous = statusOf({});
    const status = invalidStatus(gitalyCluster({}, { status: previous }), 'too many', noon);
    expect(status).toMatchObject({ data: 'Safe', reason: 'ApplyFailed', message: 'too many' });
    expect(conditionOf(status, 'Reconciled')).toMatchObject({ status: 'False' });
    expect(conditionOf(status, 'DataSafe')).toMatchObject({ status: 'True' });
  });
});
