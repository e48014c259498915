import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import {
  clusterPath,
  ControlledCluster,
  core,
  fake,
} from '../../test/support/controlled-cluster.ts';
import { eventually } from '../../test/support/eventually.ts';
import { FakeRoll } from '../../test/support/fake-roll.ts';
import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import type { GitalyMaintenance } from '../api/generated/gitaly-maintenance.ts';
import type { ClusterController } from './cluster-controller.ts';

const maintenancePath = '/apis/gitaly.dev/v1alpha1/namespaces/git/gitalymaintenances/kernel-patch';

let controlled: ControlledCluster;
let roll: FakeRoll;
/** The nodes that were booted, in their order. */
let booted: string[];

beforeEach(async () => {
  controlled = await ControlledCluster.start();
  roll = new FakeRoll(controlled.server.objects, clusterContext());
  booted = [];
});
afterEach(() => controlled.stop());

function startOperator(instance: string, mayCordon = true): ClusterController {
  const { proxies, placements, drains } = roll;
  const nodes = { areWatched: true, ownTaints: [], mayCordon };
  return controlled.lead({ proxies, placements, drains, nodes }, instance);
}

/** Waits for something, while Kubernetes makes the pods that are missing. */
function until(what: string, probe: () => boolean | undefined): Promise<true> {
  return eventually(what, () => {
    roll.kubernetesActs();
    return probe() === true ? true : undefined;
  });
}

/** As `until`, while somebody boots each node that the maintenance says is cleared. */
function untilBooted(what: string, probe: () => boolean | undefined): Promise<true> {
  return until(what, () => {
    for (const { name, phase, storages } of statusOf()?.nodes ?? []) {
      if (phase !== 'Cleared' || booted.includes(name)) continue;
      booted.push(name);
      for (const storage of storages) roll.boot(storage);
    }
    return probe();
  });
}

const statusOf = () =>
  (controlled.server.objects.at(maintenancePath) as unknown as GitalyMaintenance | undefined)
    ?.status;
const phaseOf = (node: string) => statusOf()?.nodes?.find(({ name }) => name === node)?.phase;
const nodes = () => roll.storages.map((name) => `node-of-${name}`);

function maintain(spec: Partial<GitalyMaintenance['spec']> = {}): void {
  const maintenance: GitalyMaintenance = {
    apiVersion: 'gitaly.dev/v1alpha1',
    kind: 'GitalyMaintenance',
    metadata: { name: 'kernel-patch', namespace: 'git', uid: 'uid-of-kernel-patch', generation: 1 },
    spec: { clusterName: 'gitaly', nodes: { names: nodes() }, ...spec },
  };
  controlled.server.objects.put(maintenancePath, fake(maintenance));
}

/** A cluster of three storages, each bound to its node, that is ready. */
async function readyCluster(mayCordon = true): Promise<ClusterController> {
  controlled.put({ update: { minAvailableReplicas: 1 } });
  const operator = startOperator('a', mayCordon);
  await eventually('the objects exist', () => controlled.get()?.status?.phase !== undefined);
  roll.bindToNodes();
  controlled.makeReady((name) => !roll.storages.includes(name));
  roll.want('revision-1');
  await until('it is ready', () => controlled.get()?.status?.reason === 'UpToDate');
  roll.forget();
  return operator;
}

const isCompleted = () => statusOf()?.phase === 'Completed' && roll.cordoned.length === 0;

/** Each storage was drained once, replaced once, and given its clients back. */
function expectOneTurnEach(): void {
  expect(roll.history.toSorted()).toEqual(
    roll.storages
      .flatMap((name) => [
        `cancelDrain ${name}`,
        `requestDrain ${name}`,
        `${name} is made from revision-1`,
      ])
      .toSorted(),
  );
  expect(booted.toSorted()).toEqual(nodes());
  expect([roll.cordoned, roll.drained]).toEqual([[], []]);
}

describe('a maintenance', () => {
  test('clears one node and then as many as may go, has each booted once, and keeps a record', async () => {
    await readyCluster();
    maintain({ groupSize: 2 });
    await untilBooted('it is completed', isCompleted);
    expectOneTurnEach();
    const [first] = nodes();
    expect([booted[0], roll.mostDown]).toEqual([first, 2]);
    expect(statusOf()).toMatchObject({ totalNodes: 3, doneNodes: 3, message: '3 nodes done' });
    for (const record of statusOf()?.nodes ?? []) {
      const { startedAt = '', clearedAt = '', upAt = '', doneAt = '' } = record;
      const times = [startedAt, clearedAt, upAt, doneAt];
      expect(times.every((time) => !Number.isNaN(Date.parse(time)))).toBe(true);
      expect(times.toSorted()).toEqual(times);
    }
    await controlled.tellsOf(
      'NodeDraining',
      'NodeCordoned',
      'NodeCleared',
      'NodeDone',
      'MaintenanceCompleted',
    );
  });

  test('holds a node until it is booted, and says so', async () => {
    await readyCluster();
    maintain();
    const [first = ''] = nodes();
    await until('it is cleared', () => phaseOf(first) === 'Cleared');
    expect(statusOf()?.message).toBe(`cleared, boot now: ${first}; 2 nodes left`);
    expect([roll.cordoned, roll.drained]).toEqual([[first], roll.storages.slice(0, 1)]);
    await untilBooted('it is completed', isCompleted);
    expectOneTurnEach();
  });

  test('lets the managed database be evicted from a node that is cleared, until it is booted', async () => {
    await readyCluster();
    const { objects } = controlled.server;
    const path = `${core}/pods/gitaly-database-0`;
    const [first = ''] = nodes();
    const pod = await controlled.exists(path);
    objects.put(path, { ...pod, spec: { ...(pod['spec'] as object), nodeName: first } });
    const isEvictable = () =>
      Object.keys(objects.at(path)?.metadata['labels'] ?? {}).includes('gitaly.dev/evictable');
    maintain();
    await until('it is cleared', () => phaseOf(first) === 'Cleared');
    await until('the database may go', isEvictable);
    await untilBooted('it is completed', isCompleted);
    await until('the database may not go', () => !isEvictable());
  });

  test('that is deleted gives its nodes back, and their storages their clients', async () => {
    await readyCluster();
    maintain();
    const [first = ''] = nodes();
    await until('it is cleared', () => phaseOf(first) === 'Cleared');
    controlled.server.objects.remove(maintenancePath);
    await until('all is as before', () => roll.cordoned.length === 0 && roll.drained.length === 0);
    expect(roll.history).toHaveLength(3);
  });

  test('of a cluster that goes gives its nodes back, and says why it does not go on', async () => {
    await readyCluster();
    maintain();
    const [first = ''] = nodes();
    await until('it is cleared', () => phaseOf(first) === 'Cleared');
    controlled.server.objects.remove(clusterPath);
    await until('the node is given back', () => roll.cordoned.length === 0);
    await until(
      'it says why',
      () => statusOf()?.message === 'there is no GitalyCluster gitaly in this namespace',
    );
  });

  test('says what is missing where the operator may not cordon nodes', async () => {
    await readyCluster(false);
    maintain();
    await until('it says so', () =>
      statusOf()?.message?.includes('set nodes.watch and nodes.cordon'),
    );
    expect([statusOf()?.phase, roll.history]).toEqual(['Pending', []]);
  });
});

describe('an operator that dies in a maintenance', () => {
  const first = 'node-of-gitaly-default-0';
  test.each<[string, () => boolean | undefined]>([
    ['when it has asked for a drain', () => roll.drained.length > 0],
    ['when it has cordoned a node', () => roll.cordoned.length > 0],
    ['when a node is cleared', () => phaseOf(first) === 'Cleared'],
    ['when a node is up', () => phaseOf(first) === 'Returning'],
    ['when a node is done', () => phaseOf(first) === 'Done'],
  ])('%s is followed by one that goes on there', async (_when, isThen) => {
    const operator = await readyCluster();
    maintain();
    await untilBooted('it is so far', isThen);
    await operator.stop();
    startOperator('b');
    await untilBooted('it is completed', isCompleted);
    expectOneTurnEach();
    expect(roll.mostDown).toBe(1);
  });
});
