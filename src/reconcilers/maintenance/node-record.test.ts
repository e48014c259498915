import { describe, expect, test } from '@jest/globals';

import { maintenanceNode } from '../../../test/support/gitaly-maintenance.ts';
import { drainBy, rollObservation, storageOf } from '../../../test/support/roll-observation.ts';
import { judgeStorages } from '../rollout/judged-storage.ts';
import type { ObservedStorage } from '../rollout/roll-observation.ts';
import { nextRecord, type NodeRecord, type NodeSight } from './node-record.ts';

const now = '2026-11-23T02:00:00Z';
const earlier = '2026-11-23T01:00:00Z';
const mark = 'gitlab/gitaly/kernel-patch';
const inMaintenance = {
  outdated: ['maintenance'] as const,
  maintenance: { node: 'a', mark, reason: 'a maintenance' },
};
const drained = storageOf('on-a', inMaintenance, drainBy());
const served = storageOf('on-a', inMaintenance);

function next(
  record: Partial<NodeRecord>,
  storages: readonly ObservedStorage[],
  sight: Partial<Omit<NodeSight, 'storages'>> = {},
): NodeRecord {
  const judged = judgeStorages(rollObservation(storages));
  return nextRecord(
    { name: 'a', phase: 'Waiting', storages: ['on-a'], ...record },
    {
      node: maintenanceNode('a'),
      mark,
      storages: new Map(judged.map((storage) => [storage.name, storage])),
      begun: new Set(),
      nodeDone: 'Rebooted',
      nowMs: Date.parse(now),
      ...sight,
    },
  );
}

describe('a node that waits', () => {
  test('is begun when a drain of its storage is asked for, or was, and its boot is remembered', () => {
    const begun = {
      name: 'a',
      phase: 'Draining',
      storages: ['on-a'],
      bootID: 'boot-1',
      startedAt: now,
    };
    expect(next({}, [served], { begun: new Set(['on-a']) })).toEqual(begun);
    expect(next({}, [drained])).toEqual(begun);
  });

  test.each([
    ['nobody drains its storage', served],
    ['its storage is drained for an update', storageOf('on-a', { outdated: ['image'] }, drainBy())],
    [
      'somebody else drains its storage',
      storageOf('on-a', inMaintenance, drainBy({ requester: 'alice' })),
    ],
  ])('is not begun if %s', (_what, storage) => {
    expect(next({}, [storage])).toEqual({ name: 'a', phase: 'Waiting', storages: ['on-a'] });
  });

  test('has the storages that are on it now', () => {
    const node = maintenanceNode('a', { storages: ['x', 'y'] });
    expect(next({}, [served], { node }).storages).toEqual(['x', 'y']);
  });
});

describe('a node that drains', () => {
  const draining = { phase: 'Draining', bootID: 'boot-1', startedAt: earlier } as const;
  const cordoned = maintenanceNode('a', { isCordoned: true, mark, storages: [] });

  test('is cleared when it is cordoned for the maintenance, and no storage is left on it', () => {
    expect(
      next(draining, [storageOf('on-a', 'absent', drainBy())], { node: cordoned }),
    ).toMatchObject({
      phase: 'Cleared',
      startedAt: earlier,
      clearedAt: now,
    });
  });

  test.each([
    ['a storage is left on it', { ...cordoned, storages: ['on-a'] }],
    ['it is not cordoned', { ...cordoned, isCordoned: false }],
    ['somebody else has cordoned it', { ...cordoned, mark: undefined }],
  ])('is not cleared while %s', (_what, node) => {
    expect(next(draining, [drained], { node }).phase).toBe('Draining');
  });

  test('waits again if all drains are taken back before a pod went', () => {
    expect(next(draining, [served])).toEqual({ name: 'a', phase: 'Waiting', storages: ['on-a'] });
  });

  test('does not wait again while a storage is on its way, or has left', () => {
    const two = maintenanceNode('a', { storages: ['on-a', 'other'] });
    const storages = ['on-a', 'other'];
    const other = storageOf('other', 'stopping');
    expect(next({ ...draining, storages }, [served, other], { node: two }).phase).toBe('Draining');
    const left = { ...draining, storages };
    expect(next(left, [served, storageOf('other')]).phase).toBe('Draining');
  });

  test('remembers a storage that came to it meanwhile', () => {
    const node = maintenanceNode('a', { storages: ['late'] });
    expect(next(draining, [drained], { node }).storages).toEqual(['on-a', 'late']);
  });

  test('is up if it is no more, since nobody can give it back', () => {
    expect(next(draining, [drained], { node: undefined })).toMatchObject({
      phase: 'Returning',
      clearedAt: now,
      upAt: now,
    });
  });
});

describe('a node that is cleared', () => {
  const cleared = { phase: 'Cleared', bootID: 'boot-1', clearedAt: earlier } as const;
  const down = maintenanceNode('a', { isCordoned: true, mark, storages: [] });
  const phaseWith = (node: NodeSight['node'], nodeDone: NodeSight['nodeDone'] = 'Rebooted') =>
    next(cleared, [storageOf('on-a', 'absent')], { node, nodeDone }).phase;

  test('is up once it has booted and is ready', () => {
    expect(phaseWith(down)).toBe('Cleared');
    expect(phaseWith({ ...down, bootID: 'boot-2', isReady: false })).toBe('Cleared');
    expect(phaseWith({ ...down, bootID: 'boot-2' })).toBe('Returning');
  });

  test('drains again if a pod was bound to it all the same', () => {
    const late = { ...down, storages: ['on-a'] };
    const record = next(cleared, [drained], { node: late });
    expect(record).toMatchObject({ phase: 'Draining', bootID: 'boot-1' });
    expect(record).not.toHaveProperty('clearedAt');
  });

  test('is not up by a boot that cannot be compared', () => {
    const { bootID: _, ...unknown } = { ...cleared, bootID: '' };
    const node = { ...down, bootID: 'boot-2' };
    expect(next(unknown, [storageOf('on-a', 'absent')], { node }).phase).toBe('Cleared');
    const silent = maintenanceNode('a', { bootID: '' });
    expect(next({}, [drained], { node: silent })).not.toHaveProperty('bootID');
  });

  test('is not up by a boot where somebody is to uncordon it', () => {
    expect(phaseWith({ ...down, bootID: 'boot-2' }, 'Uncordoned')).toBe('Cleared');
  });

  test('is up as soon as somebody uncordons it, or it is no more', () => {
    expect(phaseWith({ ...down, isCordoned: false }, 'Uncordoned')).toBe('Returning');
    expect(phaseWith({ ...down, isCordoned: false })).toBe('Returning');
    expect(phaseWith(undefined)).toBe('Returning');
  });
});

describe('a node whose storages come back', () => {
  const returning = { phase: 'Returning', upAt: earlier } as const;
  const phaseWith = (...storages: readonly ObservedStorage[]) => next(returning, storages).phase;

  test('is done when they serve with all of their replicas, wherever they are', () => {
    expect(phaseWith(storageOf('on-a'))).toBe('Done');
    expect(next(returning, [storageOf('on-a')])).toMatchObject({ upAt: earlier, doneAt: now });
  });

  test.each([
    ['has no pod', storageOf('on-a', 'absent')],
    ['is not healthy', storageOf('on-a', {}, { healthy: false })],
    ['is behind', storageOf('on-a', {}, { inSync: 9 })],
    ['is drained still', storageOf('on-a', {}, drainBy())],
    ['is known to nobody', storageOf('on-a', {}, 'unknown')],
  ])('is not while one %s', (_what, storage) => {
    expect(phaseWith(storage)).toBe('Returning');
  });

  test('does not wait for a storage that the spec has no more', () => {
    expect(phaseWith()).toBe('Done');
  });

  test('stays done', () => {
    const done = { phase: 'Done', doneAt: earlier } as const;
    expect(next(done, [storageOf('on-a', 'absent')])).toMatchObject(done);
  });
});
