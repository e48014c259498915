import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { ControlledCluster, core } from '../../test/support/controlled-cluster.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { Fault } from '../../test/support/fake-kube-apiserver.ts';
import { FakeRoll } from '../../test/support/fake-roll.ts';
import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import type { ClusterController } from './cluster-controller.ts';

let controlled: ControlledCluster;
let roll: FakeRoll;

beforeEach(async () => {
  controlled = await ControlledCluster.start();
  roll = new FakeRoll(controlled.server.objects, clusterContext());
});
afterEach(() => controlled.stop());

function startOperator(instance = 'a'): ClusterController {
  const { proxies, placements, drains } = roll;
  return controlled.lead({ proxies, placements, drains }, instance);
}

const statusOf = () => controlled.get()?.status;

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
    const { metadata, status } = controlled.get() ?? {};
    return status?.observedGeneration === metadata?.generation;
  });

const reason = (wanted: string) => until(`it is ${wanted}`, () => statusOf()?.reason === wanted);

const isDone = (revision: string) =>
  statusOf()?.reason === 'UpToDate' && roll.revisions.every((one) => one === revision);

/** A cluster of three storages that is ready, at `revision-1`. */
async function readyToRoll(): Promise<ClusterController> {
  controlled.put();
  const operator = startOperator();
  await eventually('the objects exist', () => statusOf()?.phase !== undefined);
  controlled.makeReady((name) => !roll.storages.includes(name));
  roll.want('revision-1');
  await reason('UpToDate');
  roll.forget();
  for (const path of controlled.eventPaths()) controlled.server.objects.remove(path);
  return operator;
}

/** The whole roll to a revision, a storage after the other. */
const wholeRoll = (revision: string, storages: readonly string[] = roll.storages) =>
  storages.flatMap((name) => [
    `requestDrain ${name}`,
    `${name} is made from ${revision}`,
    `cancelDrain ${name}`,
  ]);

const isEvictable = (storage: string) => {
  const pod = controlled.server.objects.at(`${core}/pods/${storage}`);
  const { labels = {} } = (pod?.metadata ?? {}) as { labels?: Readonly<Record<string, string>> };
  return 'gitaly.dev/evictable' in labels;
};

const deletions = () =>
  controlled.server.requests.filter(({ method }) => method === 'DELETE').length;

describe('a rolling update', () => {
  test('replaces one pod after the other, each drained first, and tells of it by events', async () => {
    await readyToRoll();
    roll.want('revision-2');
    await until('it is done', () => isDone('revision-2'));
    expect(roll.history).toEqual(wholeRoll('revision-2'));
    expect([roll.mostDown, roll.drained]).toEqual([1, []]);
    expect(statusOf()).toMatchObject({ phase: 'Ready', updated: '3/3' });
    expect(controlled.events()).toEqual(
      expect.arrayContaining(['DrainRequested', 'PodReplaced', 'DrainCancelled']),
    );
    expect(controlled.events()).not.toContain('ReplicasBehind');
  });

  test('waits for calls, and says for which', async () => {
    await readyToRoll();
    const [first = ''] = roll.storages;
    roll.busy.add(first);
    roll.want('revision-2');
    await until('it says so', () => statusOf()?.message?.includes('group/project.git'));
    expect(statusOf()?.message).toBe(
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
    controlled.put({ update: { drainDeadlineSeconds: 1 } });
    await seen();
    roll.want('revision-2');
    await until('it is done', () => isDone('revision-2'));
    await until('it says so', () => controlled.events().includes('DrainDeadlinePassed'));
  });

  test('takes nothing down while it is paused, and goes on after', async () => {
    await readyToRoll();
    controlled.put({ update: { paused: true } });
    await seen();
    roll.want('revision-2');
    await reason('UpdatePaused');
    expect(roll.history).toEqual([]);
    controlled.put();
    await until('it is done', () => isDone('revision-2'));
    expect(roll.history).toEqual(wholeRoll('revision-2'));
  });

  test('tries a bad image on one pod only, and the correction there first', async () => {
    await readyToRoll();
    roll.want('revision-2', { isBad: true });
    await reason('UpdateHalted');
    const [first = '', ...others] = roll.storages;
    expect(roll.revisions).toEqual(['revision-2', 'revision-1', 'revision-1']);
    expect(statusOf()?.message).toMatch(/ImagePullBackOff.*Correct the spec/);
    await until('an event warns', () => controlled.events().includes('UpdateHalted'));
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

  test('keeps clients away from a new pod that has logged errors, until a person says otherwise', async () => {
    await readyToRoll();
    const [first = ''] = roll.storages;
    const line = JSON.stringify({ level: 'error', msg: 'no hooks' });
    controlled.server.logs.set(first, [`2026-01-31T10:00:00Z ${line}`]);
    roll.want('revision-2');
    await reason('UpdateHalted');
    expect(statusOf()?.message).toMatch(
      /gitaly-default-0 is ready, but .*: its log has an error: no hooks\..*startupErrors to Ignore/,
    );
    expect(roll.drained).toEqual([first]);
    expect(roll.revisions).toEqual(['revision-2', 'revision-1', 'revision-1']);
    controlled.put({ update: { startupErrors: 'Ignore' } });
    await until('it is done', () => isDone('revision-2'));
    expect(roll.history).toEqual(wholeRoll('revision-2'));
  });

  test('takes as many together as the repositories allow, after one that shows whether it works', async () => {
    await readyToRoll();
    controlled.put({ update: { groupSize: 3, minAvailableReplicas: 1 } });
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
    controlled.put({ update: { groupSize: 3 } });
    await seen();
    roll.want('revision-2');
    const [, second = '', third] = roll.storages;
    roll.busy.add(second);
    const messageOf = (name: string | undefined) =>
      statusOf()
        ?.virtualStorages?.flatMap(({ storages }) => storages)
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
    controlled.server.setFault(refuse);
    roll.want('revision-2');
    await until('it says so', () => controlled.events().includes('UpdateStepFailed'));
    controlled.server.setFault(() => undefined);
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
    await until('it is drained', () => statusOf()?.message?.includes('1 call left'));
    expect([statusOf()?.reason, roll.evict(second)]).toEqual(['NodesLeaving', false]);
    roll.busy.clear();
    await until('it is evicted', () => roll.evict(second));
    await until('it is back', () => isDone('revision-1') && roll.drained.length === 0);
    expect(roll.history).toEqual([
      `requestDrain ${second}`,
      `${second} is evicted`,
      `${second} is made from revision-1`,
      `cancelDrain ${second}`,
    ]);
    expect(controlled.events()).toEqual(
      expect.arrayContaining(['DrainRequested', 'EvictionAllowed']),
    );
    expect([deletions(), annotated()]).toEqual([0, []]);
  });

  test('is cleared at the drain deadline, if calls go on that nothing else can serve', async () => {
    await readyToRoll();
    const [first = ''] = roll.storages;
    controlled.put({ update: { drainDeadlineSeconds: 1 } });
    await seen();
    roll.busy.add(first);
    roll.cordon(first);
    await until('it is evicted', () => roll.evict(first));
    await until('it says so', () => controlled.events().includes('DrainDeadlinePassed'));
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
  });
});
