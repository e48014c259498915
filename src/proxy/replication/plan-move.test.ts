import { describe, expect, it } from '@jest/globals';
import { nodesOf, recordWith, replica } from '../../../test/support/repository-records.ts';
import type { NodeStatus } from '../routing/node-view.ts';
import type { Replica, RepositoryRecord } from '../routing/repository-record.ts';
import { planRepair } from './plan.ts';
import { anyRoom, type RepairRoom } from './repair-room.ts';

const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
type Unlike = Readonly<Record<string, Partial<NodeStatus>>>;

const plan = (record: RepositoryRecord, unlike: Unlike = {}, room: RepairRoom = anyRoom) =>
  planRepair(record, nodesOf(['a', 'b', 'c', 'd', 'e'], unlike), policy, () => false, room);

const target = (lsn: bigint, role: Replica['role']): Replica => ({
  ...replica('d', lsn, role),
  replaces: 'c',
});
const others = recordWith().replicas;
const begun = recordWith({ replicas: [...others, target(-1n, 'learner')] });
const copied = recordWith({ replicas: [...others, target(5n, 'voter')] });

const copy = { kind: 'bringInSync', storage: 'd', isMove: true };
const end = { kind: 'endMove', storage: 'd' };

describe('a repository of which a replica moves', () => {
  it('gets the new one in sync, then gives up the old one', () => {
    expect(plan(begun)).toMatchObject(copy);
    expect(plan(copied)).toEqual(end);
  });

  it('moves its primary away from there first', () => {
    expect(plan({ ...begun, primary: 'c' })).toEqual({ kind: 'movePrimary', to: 'a' });
    expect(plan({ ...copied, primary: 'c' })).toEqual({ kind: 'movePrimary', to: 'd' });
  });

  it('is mended before it moves on', () => {
    const behind = replica('b', 4n);
    const replicas = begun.replicas.map((each) => (each.storage === 'b' ? behind : each));
    const mending = plan({ ...begun, replicas });
    expect(mending).toMatchObject({ kind: 'bringInSync', storage: 'b' });
    expect(mending).not.toHaveProperty('isMove');
    const later = copied.replicas.map((each) => (each.storage === 'b' ? behind : each));
    expect(plan({ ...copied, replicas: later })).toMatchObject({ storage: 'b' });
  });

  it('gets another replica for one that is missing besides', () => {
    const replicas = begun.replicas.filter(({ storage }) => storage !== 'b');
    const mending = plan({ ...begun, replicas });
    expect(mending).toMatchObject({ kind: 'bringInSync' });
    expect(mending).not.toHaveProperty('isMove');
  });

  it.each<[string, Unlike]>([
    ['the old storage is drained', { c: { isDraining: true } }],
    ['the new storage is drained', { d: { isDraining: true } }],
    ['the new storage is away', { d: { healthy: false } }],
    ['the disk there is full', { d: { isFull: true } }],
  ])('waits with the copy while %s', (_what, unlike) => {
    expect(plan(begun, unlike).kind).toBe('blocked');
  });

  it('waits with the copy while there is no room', () => {
    expect(plan(begun, {}, { ...anyRoom, hasRoomTo: () => false }).kind).toBe('blocked');
  });

  it.each<[string, Unlike]>([
    ['the old storage is drained', { c: { isDraining: true } }],
    ['the new storage is drained', { d: { isDraining: true } }],
    ['another one is drained', { a: { isDraining: true } }],
    ['another one is away', { b: { healthy: false } }],
  ])('keeps the old replica while %s', (_what, unlike) => {
    expect(plan(copied, unlike)).toEqual({ kind: 'nothing' });
  });

  it('gives up the old one where that is away: all that stay are in sync', () => {
    expect(plan(copied, { c: { healthy: false } })).toEqual(end);
  });

  it('has moved if the old one is gone', () => {
    const replicas = copied.replicas.filter(({ storage }) => storage !== 'c');
    expect(plan({ ...copied, replicas })).toEqual(end);
  });

  it('goes as all do if the old storage is decommissioned', () => {
    const unlike = { c: { isDecommissioned: true, isDraining: true } };
    const step = plan(begun, unlike);
    expect(step).toMatchObject({ kind: 'bringInSync', storage: 'd' });
    expect(step).not.toHaveProperty('isMove');
    expect(plan(copied, unlike)).toEqual({ kind: 'retireReplica', storage: 'c' });
  });

  it('stays where it is if the new storage is decommissioned', () => {
    const unlike = { d: { isDecommissioned: true, isDraining: true } };
    expect(plan(begun, unlike)).toEqual({ kind: 'retireReplica', storage: 'd' });
  });
});
