import { describe, expect, test } from '@jest/globals';

import { maintenanceNode, maintenanceOf } from '../../../test/support/gitaly-maintenance.ts';
import { activeMaintenance } from './active-maintenance.ts';
import type { MaintenanceView } from './chosen-maintenance.ts';
import type { NodeRecord } from './node-record.ts';

const nowMs = Date.parse('2026-11-23T02:00:00Z');
const all = ['a', 'b', 'c'].map((name) => maintenanceNode(name));

function activeOf(
  maintenance: Parameters<typeof maintenanceOf>[0],
  {
    nodes = all,
    ...rest
  }: Partial<Omit<MaintenanceView, 'nodes'>> & { readonly nodes?: typeof all } = {},
) {
  return activeMaintenance({
    maintenances: [maintenanceOf(maintenance)],
    nodes: new Map(nodes.map((node) => [node.name, node])),
    mayCordon: true,
    nowMs,
    ...rest,
  });
}

const toClear = (...args: Parameters<typeof activeOf>) => [
  ...(activeOf(...args)?.nodesToClear.keys() ?? []),
];
const record = (name: string, phase: NodeRecord['phase'], rest: Partial<NodeRecord> = {}) => ({
  name,
  phase,
  storages: [`on-${name}`],
  ...rest,
});

describe('the nodes that a maintenance may clear', () => {
  test('are the first alone, until it is done', () => {
    expect(toClear({})).toEqual(['a']);
    expect(toClear({ records: [record('a', 'Draining')] })).toEqual(['a']);
    expect(toClear({ records: [record('a', 'Cleared')] })).toEqual([]);
    expect(toClear({ records: [record('a', 'Returning')] })).toEqual([]);
  });

  test('are all others then, for the roll to choose from', () => {
    expect(toClear({ records: [record('a', 'Done')] })).toEqual(['b', 'c']);
  });

  test('are no others while one is under way, though its storages may be back elsewhere', () => {
    const records = [record('a', 'Done'), record('b', 'Cleared')];
    expect(toClear({ records })).toEqual([]);
    expect(toClear({ records: [record('a', 'Done'), record('b', 'Draining')] })).toEqual(['b']);
  });

  test.each([
    ['by their names', { names: ['b'] }, ['b']],
    ['by all of their labels', { matchLabels: { pool: 'git', old: 'yes' } }, ['c']],
    ['by either', { names: ['b'], matchLabels: { old: 'yes' } }, ['b']],
  ])('are chosen %s', (_how, nodes, expected) => {
    const labels = { pool: 'git', old: 'yes' };
    const given = [...all.slice(0, 2), maintenanceNode('c', { labels })];
    expect(toClear({ nodes }, { nodes: given })).toEqual(expected);
    const half = [...all.slice(0, 2), maintenanceNode('c', { labels: { pool: 'git' } })];
    expect(toClear({ nodes: { matchLabels: labels } }, { nodes: half })).toEqual([]);
  });

  test('are not those without storages, nor those that somebody else has cordoned', () => {
    const empty = maintenanceNode('a', { storages: [] });
    expect(toClear({}, { nodes: [empty, ...all.slice(1)] })).toEqual(['b']);
    const cordoned = maintenanceNode('a', { isCordoned: true });
    expect(toClear({}, { nodes: [cordoned, ...all.slice(1)] })).toEqual(['b']);
  });

  test.each([
    ['it is paused', { paused: true }, {}],
    ['its window has not opened', { window: { start: '2026-11-23T02:00:01Z' } }, {}],
    ['its window has closed', { window: { end: '2026-11-23T02:00:00Z' } }, {}],
    ['nobody may cordon nodes', {}, { mayCordon: false }],
  ])('are those that were begun and no others if %s', (_what, spec, view) => {
    expect(toClear(spec, view)).toEqual([]);
    const records = [record('a', 'Done'), record('b', 'Draining')];
    expect(toClear({ ...spec, records }, view)).toEqual(['b']);
  });

  test('are told with the mark that they get, and why', () => {
    expect(activeOf({})?.nodesToClear.get('a')).toEqual({
      node: 'a',
      mark: 'gitlab/gitaly/kernel-patch',
      reason: 'node a is in maintenance kernel-patch',
    });
  });
});

describe('the maintenance whose turn it is', () => {
  const two = (
    newer: Parameters<typeof maintenanceOf>[0],
    older: Parameters<typeof maintenanceOf>[0],
  ) => ({
    maintenances: [
      maintenanceOf({ name: 'newer', createdAt: '2026-11-22T01:00:00Z', groupSize: 2, ...newer }),
      maintenanceOf({ name: 'older', createdAt: '2026-11-22T00:00:00Z', groupSize: 3, ...older }),
    ],
  });
  const groupSizeOf = (...given: Parameters<typeof two>) => activeOf({}, two(...given))?.groupSize;

  test('is the oldest that may begin', () => {
    expect(groupSizeOf({}, {})).toBe(3);
    expect(groupSizeOf({}, { paused: true })).toBe(2);
    expect(groupSizeOf({}, { phase: 'Completed' })).toBe(2);
    expect(groupSizeOf({ paused: true }, { phase: 'Completed' })).toBeUndefined();
  });

  test('is the one that has begun, also if it may not go on', () => {
    const records = [record('a', 'Cleared')];
    expect(groupSizeOf({ records, paused: true }, {})).toBe(2);
    expect(groupSizeOf({ records: [record('a', 'Done')] }, {})).toBe(3);
  });
});

test('a storage waits for its node until that is up, and has its time to become ready from then on', () => {
  const records = [
    record('a', 'Cleared'),
    record('b', 'Returning', { upAt: '2026-11-23T01:59:00Z' }),
    record('c', 'Done'),
  ];
  expect([...(activeOf({ records })?.awaiting ?? [])]).toEqual([
    ['on-a', undefined],
    ['on-b', Date.parse('2026-11-23T01:59:00Z')],
  ]);
});
