import { describe, expect, test } from '@jest/globals';

import { maintenanceEvents } from './maintenance-events.ts';
import type { NodeRecord } from './node-record.ts';

const nodes = (phases: Readonly<Record<string, NodeRecord['phase']>>): NodeRecord[] =>
  Object.entries(phases).map(([name, phase]) => ({ name, phase, storages: [] }));

describe('the events of a maintenance', () => {
  test('tell of all nodes that something happened to, at once', () => {
    const before = { nodes: nodes({ a: 'Draining', b: 'Draining', c: 'Cleared', d: 'Done' }) };
    const after = {
      nodes: nodes({ a: 'Cleared', b: 'Cleared', c: 'Returning', d: 'Done', e: 'Draining' }),
    };
    expect(
      maintenanceEvents(before, after).map(({ reason, note }) => `${reason}: ${note}`),
    ).toEqual([
      'NodeDraining: clients are kept away from the storages on e',
      'NodeCleared: cordoned and cleared of storages, to be maintained now: a and b',
      'NodeUp: storages come back to c',
    ]);
  });

  test('tell of a phase once, and of nothing if nothing has changed', () => {
    const halted = {
      phase: 'Halted' as const,
      message: 'a storage fails',
      nodes: nodes({ a: 'Returning' }),
    };
    const running = { ...halted, phase: 'Running' as const };
    expect(maintenanceEvents(running, halted)).toEqual([
      { type: 'Warning', reason: 'MaintenanceHalted', note: 'a storage fails' },
    ]);
    expect(maintenanceEvents(halted, halted)).toEqual([]);
    const completed = {
      phase: 'Completed' as const,
      message: '1 node done',
      nodes: nodes({ a: 'Done' }),
    };
    expect(maintenanceEvents(running, completed).map(({ reason }) => reason)).toEqual([
      'NodeDone',
      'MaintenanceCompleted',
    ]);
  });

  test('tell of the first status as of any other', () => {
    const first = { phase: 'Running' as const, nodes: nodes({ a: 'Draining', b: 'Waiting' }) };
    expect(maintenanceEvents(undefined, first).map(({ reason }) => reason)).toEqual([
      'NodeDraining',
    ]);
  });
});
