import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { eventually } from '../../test/support/eventually.ts';
import {
  startFakeApiServer,
  type Fault,
  type FakeApiServer,
} from '../../test/support/fake-kube-apiserver.ts';
import type { FakeObject } from '../../test/support/fake-kube-objects.ts';
import { FakeRoll } from '../../test/support/fake-roll.ts';
import { clusterContext, gitalyCluster } from '../../test/support/gitaly-cluster.ts';
import { readyCluster } from '../../test/support/observed-cluster.ts';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { Scope } from '../base/scope.ts';
import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import type { KubeObject } from '../api/kubernetes.ts';
import { openApiServer } from '../kube/api-server.ts';
import { createEventRecorder } from '../kube/event-recorder.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { createKubeTransport } from '../kube/kube-transport.ts';
import { startClusterController, type ClusterController } from './cluster-controller.ts';

const clusterPath = '/apis/gitaly.dev/v1alpha1/namespaces/git/gitalyclusters/gitaly';
const namespaced = (group: string, plural: string) => `${group}/namespaces/git/${plural}`;

let scope: Scope;
let server: FakeApiServer;
let roll: FakeRoll;

beforeEach(async () => {
  scope = new Scope();
  server = scope.own(await startFakeApiServer());
  roll = new FakeRoll(server.objects, clusterContext());
});
afterEach(() => scope.stop());

function startOperator(instance = 'a'): ClusterController {
  const transport = createKubeTransport({ server: openApiServer(server.url), clock: systemClock });
  const client = new KubeClient(transport);
  const controller = scope.own(
    startClusterController({
      client,
      proxies: roll.proxies,
      placements: roll.placements,
      drains: roll.drains,
      zones: { tell: async () => ({ kind: 'done' }) },
      events: createEventRecorder({ client, clock: systemClock, logger: silentLogger, instance }),
      observer: { reconciled() {} },
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      namespaces: [],
      nodes: { areWatched: true, ownTaints: [] },
      defaults: { proxyImage: 'operator:1' },
    }),
  );
  controller.lead();
  return controller;
}

function putCluster(spec: Partial<GitalyCluster['spec']> = {}): void {
  const status = cluster()?.status;
  const object = fake(gitalyCluster(spec));
  server.objects.put(clusterPath, { ...object, ...(status && { status }) });
}

const fake = (object: KubeObject): FakeObject => object as unknown as FakeObject;
const cluster = () => server.objects.at(clusterPath) as unknown as GitalyCluster | undefined;

/** Waits for something, while Kubernetes makes the pods that are missing. */
function until(what: string, probe: () => boolean | undefined): Promise<true> {
  return eventually(what, () => {
    roll.kubernetesActs();
    return probe() === true ? true : undefined;
  });
}

/** Waits until the operator has seen the spec. */
const seen = () =>
  until('the spec is seen', () => {
    const { metadata, status } = cluster() ?? {};
    return status?.observedGeneration === metadata?.generation;
  });

const reason = (wanted: string) =>
  until(`it is ${wanted}`, () => cluster()?.status?.reason === wanted);

const isDone = (revision: string) =>
  cluster()?.status?.reason === 'UpToDate' && roll.revisions.every((one) => one === revision);

/** A cluster of three storages that is ready, at `revision-1`. */
async function readyToRoll(): Promise<ClusterController> {
  putCluster();
  const operator = startOperator();
  await eventually('the objects exist', () => cluster()?.status?.phase !== undefined);
  const { pods, claims, deployments } = readyCluster(clusterContext());
  const labels = { 'gitaly.dev/cluster': 'gitaly' };
  for (const pod of pods.filter(({ metadata }) => !roll.storages.includes(metadata.name))) {
    server.objects.put(`${namespaced('/api/v1', 'pods')}/${pod.metadata.name}`, fake(pod));
  }
  for (const claim of claims) {
    const path = `${namespaced('/api/v1', 'persistentvolumeclaims')}/${claim.metadata.name}`;
    server.objects.put(path, fake({ ...claim, metadata: { ...claim.metadata, labels } }));
  }
  for (const { metadata, status } of deployments) {
    const path = `${namespaced('/apis/apps/v1', 'deployments')}/${metadata.name}`;
    const current = server.objects.at(path);
    if (current) server.objects.put(path, { ...current, status: { ...status } });
  }
  roll.want('revision-1');
  await reason('UpToDate');
  roll.forget();
  for (const path of eventPaths()) server.objects.remove(path);
  return operator;
}

/** The whole roll to a revision, a storage after the other. */
const wholeRoll = (revision: string, storages: readonly string[] = roll.storages) =>
  storages.flatMap((name) => [
    `requestDrain ${name}`,
    `${name} is made from ${revision}`,
    `cancelDrain ${name}`,
  ]);

const eventPaths = () => server.objects.paths().filter((path) => path.includes('/events/'));
const events = () => eventPaths().map((path) => server.objects.at(path)?.['reason']);

const isEvictable = (storage: string) => {
  const pod = server.objects.at(`${namespaced('/api/v1', 'pods')}/${storage}`);
  const { labels = {} } = (pod?.metadata ?? {}) as { labels?: Readonly<Record<string, string>> };
  return 'gitaly.dev/evictable' in labels;
};

const deletions = () => server.requests.filter(({ method }) => method === 'DELETE').length;

describe('a rolling update', () => {
  test('replaces one pod after the other, each drained first, and tells of it by events', async () => {
    await readyToRoll();
    roll.want('revision-2');
    await until('it is done', () => isDone('revision-2'));
    expect(roll.history).toEqual(wholeRoll('revision-2'));
    expect([roll.mostDown, roll.drained]).toEqual([1, []]);
    expect(cluster()?.status).toMatchObject({ phase: 'Ready', updated: '3/3' });
    expect(events()).toEqual(
      expect.arrayContaining(['DrainRequested', 'PodReplaced', 'DrainCancelled']),
    );
    expect(events()).not.toContain('ReplicasBehind');
  });

  test('waits for calls, and says for which', async () => {
    await readyToRoll();
    const [first = ''] = roll.storages;
    roll.busy.add(first);
    roll.want('revision-2');
    await until('it says so', () => cluster()?.status?.message?.includes('group/project.git'));
    expect(cluster()?.status?.message).toBe(
      '0 of 3 storages are up to date; gitaly-default-0 drains: 1 call left, oldest 3 s (fetch of group/project.git)',
    );
    expect(deletions()).toBe(0);
    roll.busy.clear();
    await until('it is done', () => isDone('revision-2'));
  });

  test('cuts calls when the drain deadline has passed, and warns of it', async () => {
    await readyToRoll();
    const [first = ''] = roll.storages;
    roll.busy.add(first);
    putCluster({ update: { drainDeadlineSeconds: 1 } });
    await seen();
    roll.want('revision-2');
    await until('it is done', () => isDone('revision-2'));
    await until('it says so', () => events().includes('DrainDeadlinePassed'));
  });

  test('takes nothing down while it is paused, and goes on after', async () => {
    await readyToRoll();
    putCluster({ update: { paused: true } });
    await seen();
    roll.want('revision-2');
    await reason('UpdatePaused');
    expect(roll.history).toEqual([]);
    putCluster();
    await until('it is done', () => isDone('revision-2'));
    expect(roll.history).toEqual(wholeRoll('revision-2'));
  });

  test('tries a bad image on one pod only, and the correction there first', async () => {
    await readyToRoll();
    roll.want('revision-2', { isBad: true });
    await reason('UpdateHalted');
    const [first = '', ...others] = roll.storages;
    expect(roll.revisions).toEqual(['revision-2', 'revision-1', 'revision-1']);
    expect(cluster()?.status?.message).toMatch(/ImagePullBackOff.*Correct the spec/);
    await until('an event warns', () => events().includes('UpdateHalted'));
    roll.want('revision-3');
    await until('it is done', () => isDone('revision-3'));
    expect(roll.history).toEqual([
      `requestDrain ${first}`,
      `${first} is made from revision-2`,
      `${first} is made from revision-3`,
      `cancelDrain ${first}`,
      ...wholeRoll('revision-3', others),
    ]);
  });

  test('takes as many together as the repositories allow, after one that shows whether it works', async () => {
    await readyToRoll();
    putCluster({ update: { groupSize: 3, minAvailableReplicas: 1 } });
    await seen();
    expect(roll.lists).toBe(0);
    roll.want('revision-2');
    await until('it is done', () => isDone('revision-2'));
    const [first = '', second, third] = roll.storages;
    expect(roll.history.slice(0, 3)).toEqual(wholeRoll('revision-2', [first]));
    expect(roll.history.slice(3, 5)).toEqual([`requestDrain ${second}`, `requestDrain ${third}`]);
    expect(roll.drained).toEqual([]);
    expect(roll.lists).toBeGreaterThanOrEqual(2);
  });

  test('takes one at a time where the repositories need two, and says of which', async () => {
    await readyToRoll();
    putCluster({ update: { groupSize: 3 } });
    await seen();
    roll.want('revision-2');
    const [, second = '', third] = roll.storages;
    roll.busy.add(second);
    const messageOf = (name: string | undefined) =>
      cluster()
        ?.status?.virtualStorages?.flatMap(({ storages }) => storages)
        .find((storage) => storage.name === name)?.updateMessage;
    const waits = /waits: 10 repositories would not keep 2 replicas.*group\/project.git/;
    await until('it says so', () => waits.test(messageOf(third) ?? ''));
    roll.busy.clear();
    await until('it is done', () => isDone('revision-2'));
    expect([roll.mostDown, roll.drained]).toEqual([1, []]);
  });

  test('asks again when a pod cannot be deleted, and says why', async () => {
    await readyToRoll();
    const refuse = ({ method }: { method: string }): Fault | undefined =>
      method === 'DELETE' ? { kind: 'status', code: 403, reason: 'Forbidden' } : undefined;
    server.setFault(refuse);
    roll.want('revision-2');
    await until('it says so', () => events().includes('UpdateStepFailed'));
    server.setFault(() => undefined);
    await until('it is done', () => isDone('revision-2'));
  });
});

describe('a node that is cordoned', () => {
  const annotated = () => roll.storages.filter((name) => isEvictable(name));

  test('has its storage drained, and only then evicted', async () => {
    await readyToRoll();
    const [, second = ''] = roll.storages;
    expect(roll.evict(second)).toBe(false);
    roll.busy.add(second);
    roll.cordon(second);
    await until('it is drained', () => cluster()?.status?.message?.includes('1 call left'));
    expect([cluster()?.status?.reason, roll.evict(second)]).toEqual(['NodesLeaving', false]);
    roll.busy.clear();
    await until('it is evicted', () => roll.evict(second));
    await until('it is back', () => isDone('revision-1') && roll.drained.length === 0);
    expect(roll.history).toEqual([
      `requestDrain ${second}`,
      `${second} is evicted`,
      `${second} is made from revision-1`,
      `cancelDrain ${second}`,
    ]);
    expect(events()).toEqual(expect.arrayContaining(['DrainRequested', 'EvictionAllowed']));
    expect([deletions(), annotated()]).toEqual([0, []]);
  });

  test('is cleared at the drain deadline, if calls go on that nothing else can serve', async () => {
    await readyToRoll();
    const [first = ''] = roll.storages;
    putCluster({ update: { drainDeadlineSeconds: 1 } });
    await seen();
    roll.busy.add(first);
    roll.cordon(first);
    await until('it is evicted', () => roll.evict(first));
    await until('it says so', () => events().includes('DrainDeadlinePassed'));
    await until('it is back', () => isDone('revision-1') && roll.drained.length === 0);
    expect(roll.history.filter((step) => step.startsWith('requestDrain'))).toHaveLength(1);
  });

  test('and stays after all, gets its clients back, also from another operator', async () => {
    const operator = await readyToRoll();
    const [first = ''] = roll.storages;
    roll.cordon(first);
    await until('it may be evicted', () => isEvictable(first));
    await operator.stop();
    roll.cordon(first, false);
    startOperator('b');
    await until('all is as before', () => isDone('revision-1') && roll.drained.length === 0);
    expect(annotated()).toEqual([]);
    expect(roll.history).toEqual([`requestDrain ${first}`, `cancelDrain ${first}`]);
  });
});

describe('an operator that dies', () => {
  test.each([
    ['when it has asked for a drain', (): boolean => roll.drained.length > 0],
    ['when it has deleted a pod', (): boolean => deletions() > 0],
    [
      'before it has taken a drain back',
      (): boolean => roll.revisions.includes('revision-2') && roll.drained.length > 0,
    ],
    ['when it has taken a drain back', (): boolean => roll.history.length >= 3],
  ])('%s is followed by one that goes on there', async (_when, isThen) => {
    const operator = await readyToRoll();
    roll.want('revision-2');
    await until('it is so far', isThen);
    await operator.stop();
    startOperator('b');
    await until('it is done', () => isDone('revision-2'));
    expect(roll.history).toEqual(wholeRoll('revision-2'));
    expect([roll.mostDown, roll.drained]).toEqual([1, []]);
    expect(deletions()).toBe(3);
  });
});
