import { describe, expect, test } from '@jest/globals';

import { maintenanceNode, maintenanceOf } from '../../../test/support/gitaly-maintenance.ts';
import { drainBy, rollObservation, storageOf } from '../../../test/support/roll-observation.ts';
import type { RollObservation } from '../rollout/roll-observation.ts';
import { planRoll } from '../rollout/roll-plan.ts';
import type { MaintenanceView } from './chosen-maintenance.ts';
import { maintenanceStatuses } from './maintenance-status.ts';
import type { NodeRecord } from './node-record.ts';

const now = '2026-11-23T02:00:00Z';
const names = ['a', 'b', 'c'];
const all = names.map((name) => maintenanceNode(name));
const cleared = (name: string) => maintenanceNode(name, { isCordoned: true, storages: [] });
const others = (name: string) => all.filter((node) => node.name !== name);

interface Given {
  readonly nodes?: typeof all;
  readonly view?: Partial<MaintenanceView>;
  readonly observation?: RollObservation;
}

function statusesOf(maintenances: MaintenanceView['maintenances'], given: Given = {}) {
  const { nodes = all, view, observation = rollObservation([]) } = given;
  return maintenanceStatuses({
    maintenances,
    nodes: new Map(nodes.map((node) => [node.name, node])),
    mayCordon: true,
    nowMs: Date.parse(now),
    ...view,
    roll: planRoll(observation),
  }).map(([, status]) => status);
}
const statusOf = (fields: Parameters<typeof maintenanceOf>[0], given: Given = {}) =>
  statusesOf([maintenanceOf(fields)], given)[0];

const record = (name: string, phase: NodeRecord['phase'], rest: Partial<NodeRecord> = {}) => ({
  name,
  phase,
  storages: [`on-${name}`],
  ...(phase !== 'Waiting' && { bootID: 'boot-1' }),
  ...rest,
});
const done = (name: string) =>
  record(name, 'Done', { startedAt: '2026-11-23T01:50:00Z', doneAt: '2026-11-23T01:58:00Z' });

describe('the status of a maintenance', () => {
  test('has its nodes, how many are done, and since when', () => {
    const records = [done('a')];
    expect(statusOf({ records })).toEqual({
      observedGeneration: 1,
      phase: 'Running',
      message: '2 nodes left',
      totalNodes: 3,
      doneNodes: 1,
      startedAt: '2026-11-23T01:50:00Z',
      estimatedCompletionAt: '2026-11-23T02:14:00Z',
      nodes: [done('a'), record('b', 'Waiting'), record('c', 'Waiting')],
    });
  });

  test('is completed when all are done, and is not looked at any more', () => {
    const records = names.map(done);
    const status = statusOf({ records });
    expect(status).toMatchObject({ phase: 'Completed', completedAt: now, message: '3 nodes done' });
    expect(status).not.toHaveProperty('estimatedCompletionAt');
    expect(statusesOf([maintenanceOf({ records, phase: 'Completed' })])).toEqual([]);
  });

  test('is not completed while it names a node that nobody knows', () => {
    const status = statusOf({ nodes: { names: ['a', 'x'] }, records: [done('a')] });
    expect(status).toMatchObject({
      phase: 'Running',
      message: 'there is no node x: correct spec.nodes.names',
    });
  });

  test('does not miss a node that is done and was taken away', () => {
    const given = { nodes: all.slice(1) };
    expect(statusOf({ records: names.map(done) }, given)?.phase).toBe('Completed');
  });

  test.each<[string, Parameters<typeof maintenanceOf>[0], Given, string, string]>([
    [
      'paused',
      { paused: true },
      {},
      'Paused',
      '3 nodes left: it is paused: set spec.paused to false to go on',
    ],
    [
      'its window has yet to open',
      { window: { start: '2026-11-24T00:00:00Z' } },
      {},
      'Pending',
      '3 nodes left: its window opens at 2026-11-24T00:00:00Z',
    ],
    [
      'its window has closed',
      { window: { end: now }, records: [done('a')] },
      {},
      'Running',
      `2 nodes left: its window closed at ${now}: give it another one to go on`,
    ],
    [
      'the operator may not cordon nodes',
      {},
      { view: { mayCordon: false } },
      'Pending',
      '3 nodes left: the operator may not cordon nodes: set nodes.watch and nodes.cordon to true in the values of its chart',
    ],
    [
      'no node has a storage',
      {},
      { nodes: names.map((name) => maintenanceNode(name, { storages: [] })) },
      'Pending',
      'none of its nodes has a storage of gitaly',
    ],
    [
      'somebody else has cordoned one',
      {},
      { nodes: [maintenanceNode('a', { isCordoned: true }), ...all.slice(1)] },
      'Pending',
      '3 nodes left: a is cordoned already: clear it with kubectl drain, or uncordon it',
    ],
    [
      'nodes are on their way',
      { records: [done('a'), record('b', 'Cleared')] },
      { nodes: [...others('b'), cleared('b')] },
      'Running',
      'cleared, boot now: b; 1 node left',
    ],
    [
      'somebody is to uncordon nodes',
      { nodeDone: 'Uncordoned', records: [done('a'), record('b', 'Cleared')] },
      {
        nodes: [all[0], maintenanceNode('b', { isCordoned: true, storages: [] }), all[2]].flatMap(
          (one) => one ?? [],
        ),
      },
      'Running',
      'cleared, uncordon when done: b; 1 node left',
    ],
  ])('says what to do if %s', (_what, fields, given, phase, message) => {
    expect(statusOf(fields, given)).toMatchObject({ phase, message });
  });

  test('says which storage waits for which repositories', () => {
    const reason = { node: 'a', mark: 'gitlab/gitaly/kernel-patch', reason: 'a maintenance' };
    const wanted = storageOf('on-a', { outdated: ['maintenance'], maintenance: reason });
    const observation = rollObservation([wanted, storageOf('on-b', 'absent')]);
    expect(statusOf({}, { observation })?.message).toBe(
      '3 nodes left: on-a waits: on-b has no pod yet',
    );
  });

  test('is halted while a storage does not come back, and says what the cluster says', () => {
    const broken = storageOf(
      'on-a',
      {
        readiness: {
          kind: 'notReady',
          message: 'no image',
          sinceMs: 0,
          isFailing: true,
          isRunning: false,
        },
      },
      { healthy: false, ...drainBy() },
    );
    const records = [record('a', 'Returning')];
    const status = statusOf({ records }, { observation: rollObservation([broken]) });
    expect(status?.phase).toBe('Halted');
    expect(status?.message).toContain('on-a does not become ready: no image');
  });

  test('of one that comes later says which goes first', () => {
    const [first, second] = statusesOf(
      [
        maintenanceOf({
          name: 'old',
          createdAt: '2026-11-20T00:00:00Z',
          records: [record('a', 'Cleared')],
        }),
        maintenanceOf({ name: 'new', nodes: { names: ['b'] } }),
      ],
      { nodes: [...others('a'), cleared('a')] },
    );
    expect(first?.message).toBe('cleared, boot now: a; 2 nodes left');
    expect(second).toMatchObject({
      phase: 'Pending',
      message: '1 node left: maintenance old goes first',
    });
  });
});
