import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { inSyncVoters, type Intent, type RepositoryRecord } from '../routing/repository-record.ts';
import {
  anyNodes,
  anyRecord,
  changed,
  intentOf,
  nodesOf,
  recordWith,
  replica,
  someStorages,
} from '../../../test/support/repository-records.ts';
import { raiseBarrier } from '../transactions/barrier-changes.ts';
import { claimRepair, promote } from '../transactions/record-changes.ts';
import { claimRemoval, dropReplica } from '../transactions/replica-count.ts';
import { planRepair } from './plan.ts';
import { anyRoom, type RepairRoom } from './repair-room.ts';

const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
const all = nodesOf(['a', 'b', 'c', 'd']);
const isAbandoned = ({ owner }: Pick<Intent, 'owner'>) => owner === 'gone';
const gone = { owner: 'gone' };

const plan = (record: RepositoryRecord, nodes = all) =>
  planRepair(record, nodes, policy, isAbandoned);

const behind = recordWith({ replicas: [replica('a', 5n), replica('b', 5n), replica('c', 4n)] });

describe('a repository in which all is well', () => {
  it('needs nothing', () => {
    expect(plan(recordWith())).toEqual({ kind: 'nothing' });
  });

  it('needs nothing while it is being created or written to', () => {
    const creation = intentOf('t', { kind: 'creation' });
    expect(plan(recordWith({ intents: [creation] }))).toEqual({ kind: 'nothing' });
    expect(plan({ ...behind, intents: [creation] })).toEqual({ kind: 'nothing' });
    expect(plan(recordWith({ intents: [intentOf('t')] }))).toEqual({ kind: 'nothing' });
  });

  it('keeps the replicas that it has more than it needs', () => {
    const replicas = ['a', 'b', 'c', 'd'].map((storage) => replica(storage, 5n));
    expect(plan(recordWith({ replicas }))).toEqual({ kind: 'nothing' });
  });
});

describe('a repository on a storage that is decommissioned', () => {
  const nodes = nodesOf(['a', 'b', 'c', 'd'], { a: { isDecommissioned: true } });
  const four = ['a', 'b', 'c', 'd'].map((storage) => replica(storage, 5n));

  it('gets a replica elsewhere first, copied from one that stays', () => {
    const step = { kind: 'bringInSync', storage: 'd' };
    expect(plan(recordWith(), nodes)).toMatchObject(step);
    const isDraining = { a: { isDecommissioned: true, isDraining: true } };
    expect(plan(recordWith(), nodesOf(['a', 'b', 'c', 'd'], isDraining))).toMatchObject({
      ...step,
      source: 'b',
    });
  });

  it('then moves its primary, gives up the replica there, and strikes it out', () => {
    const moving = recordWith({ replicas: four });
    expect(plan(moving, nodes)).toEqual({ kind: 'movePrimary', to: 'b' });
    expect(plan({ ...moving, primary: 'b' }, nodes)).toEqual({
      kind: 'retireReplica',
      storage: 'a',
    });
    const replicas = [replica('a', 5n, 'leaving'), ...four.slice(1)];
    const leaving = recordWith({ replicas, primary: 'b' });
    expect(plan(leaving, nodes)).toEqual({ kind: 'removeReplica', storage: 'a' });
  });

  it('does so also if that storage cannot be reached', () => {
    const away = nodesOf(['a', 'b', 'c', 'd'], { a: { isDecommissioned: true, healthy: false } });
    const moving = recordWith({ replicas: four, primary: 'b' });
    expect(plan(moving, away)).toEqual({ kind: 'retireReplica', storage: 'a' });
    const replicas = [replica('a', 5n, 'leaving'), ...four.slice(1)];
    const leaving = recordWith({ replicas, primary: 'b' });
    expect(plan(leaving, away)).toEqual({ kind: 'removeReplica', storage: 'a' });
  });

  it('keeps its replica there while too few others are in sync, or can be reached', () => {
    const replicas = [replica('a', 5n), replica('b', 5n), replica('c', 5n), replica('d', 4n)];
    expect(plan(recordWith({ replicas }), nodes)).toMatchObject({ kind: 'bringInSync' });
    const away = nodesOf(['a', 'b', 'c', 'd'], {
      a: { isDecommissioned: true },
      d: { healthy: false },
    });
    expect(plan(recordWith({ replicas: four }), away)).toMatchObject({ kind: 'blocked' });
    expect(plan(recordWith(), away)).toMatchObject({ kind: 'blocked' });
  });

  it('is not repaired there', () => {
    const replicas = [replica('a', 4n), ...four.slice(1)];
    expect(plan(recordWith({ replicas, primary: 'b' }), nodes)).toEqual({
      kind: 'retireReplica',
      storage: 'a',
    });
  });
});

describe('writes whose owner is gone', () => {
  it('come before a replica that is behind', () => {
    const intents = [intentOf('t1'), intentOf('t2', gone)];
    expect(plan({ ...behind, intents })).toEqual({ kind: 'settleAbandoned' });
  });

  it('are settled even if nothing can be reached', () => {
    const record = recordWith({ intents: [intentOf('t', gone)] });
    expect(plan(record, nodesOf([]))).toEqual({ kind: 'settleAbandoned' });
  });

  it('are taken back with the repository if they were to create it', () => {
    const intents = [intentOf('t1', gone), intentOf('t2', { ...gone, kind: 'creation' })];
    expect(plan({ ...behind, intents })).toEqual({ kind: 'takeBackCreation' });
  });
});

describe('a replica that is behind', () => {
  it('is brought in sync from a replica that is not the primary', () => {
    expect(plan(behind)).toEqual({ kind: 'bringInSync', storage: 'c', source: 'b' });
  });

  it('is brought in sync from the primary if the other is being drained', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { b: { isDraining: true } });
    expect(plan(behind, nodes)).toEqual({ kind: 'bringInSync', storage: 'c', source: 'a' });
    const noOther = nodesOf(['b', 'c'], { b: { isDraining: true } });
    expect(plan(behind, noOther)).toEqual({ kind: 'bringInSync', storage: 'c', source: 'b' });
  });

  it('is brought in sync from the primary if there is no other', () => {
    const step = { kind: 'bringInSync', storage: 'c', source: 'a' };
    expect(plan(behind, nodesOf(['a', 'b', 'c'], { b: { healthy: false } }))).toEqual(step);
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 4n)];
    const alone = recordWith({ replicas });
    expect(plan(alone)).toEqual({ kind: 'bringInSync', storage: 'b', source: 'a' });
  });

  it('is brought in sync while writes of live owners go on', () => {
    const record = { ...behind, intents: [intentOf('t')] };
    expect(plan(record)).toMatchObject({ kind: 'bringInSync', storage: 'c' });
  });

  it('counts as behind as long as it is a learner, whatever its LSN', () => {
    const replicas = [replica('a', 5n), replica('b', 5n), replica('c', 5n, 'learner')];
    expect(plan(recordWith({ replicas }))).toMatchObject({ kind: 'bringInSync', storage: 'c' });
  });

  it('comes before one that is missing', () => {
    const replicas = [replica('a', 5n), replica('c', 4n)];
    expect(plan(recordWith({ replicas }))).toMatchObject({ storage: 'c', source: 'a' });
  });

  it('is waited for while its storage cannot be reached', () => {
    const nodes = nodesOf(['a', 'b', 'c', 'd'], { c: { healthy: false } });
    expect(plan(behind, nodes)).toEqual({
      kind: 'blocked',
      reason: 'storage c cannot be reached',
    });
  });

  it('is left to the proxy that repairs it, as long as that one lives', () => {
    const under = (owner: string) => ({ ...replica('b', 4n), repair: { id: 'r', owner } });
    const replicas = [replica('a', 5n), under('alive'), replica('c', 4n)];
    expect(plan(recordWith({ replicas }))).toMatchObject({ storage: 'c' });
    expect(plan(recordWith({ replicas: replicas.slice(0, 2) }), nodesOf(['a', 'b']))).toEqual({
      kind: 'blocked',
      reason: 'no further storage can be reached',
    });
    const orphaned = [replica('a', 5n), under('gone'), replica('c', 4n)];
    expect(plan(recordWith({ replicas: orphaned }))).toMatchObject({ storage: 'b' });
  });

  it('waits while no in-sync replica can be reached', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { a: { healthy: false }, b: { healthy: false } });
    expect(plan(behind, nodes)).toEqual({
      kind: 'blocked',
      reason: 'no in-sync replica can be reached',
    });
  });
});

describe('a replica that is leaving', () => {
  const leaving = recordWith({ replicas: [...recordWith().replicas, replica('d', 1n, 'leaving')] });

  it('is removed, and not mended', () => {
    expect(plan(leaving)).toEqual({ kind: 'removeReplica', storage: 'd' });
  });

  it('stays while a write is in flight', () => {
    expect(plan({ ...leaving, intents: [intentOf('t')] })).toEqual({ kind: 'nothing' });
  });

  it('stays while it is under repair by a proxy that is alive', () => {
    const under = (owner: string) => {
      const repair = { id: 'r', owner };
      const replicas = [...recordWith().replicas, { ...replica('d', 1n, 'leaving'), repair }];
      return plan(recordWith({ replicas })).kind;
    };
    expect(under('proxy-1')).toBe('nothing');
    expect(under('gone')).toBe('removeReplica');
  });

  it('stays while its storage cannot be reached', () => {
    const nodes = nodesOf(['a', 'b', 'c', 'd'], { d: { healthy: false } });
    expect(plan(leaving, nodes)).toEqual({ kind: 'nothing' });
  });

  it('stays while too few others can be had', () => {
    const away = { healthy: false };
    const nodes = nodesOf(['a', 'b', 'c', 'd'], { a: away, b: away });
    expect(plan(leaving, nodes)).toEqual({ kind: 'nothing' });
  });
});

describe('a replica that is missing', () => {
  const two = recordWith({ replicas: [replica('a', 5n), replica('b', 5n)] });

  it('is made on a storage that has none', () => {
    const nodes = nodesOf(['a', 'b', 'c', 'd'], { c: { healthy: false } });
    expect(plan(two, nodes)).toEqual({ kind: 'bringInSync', storage: 'd', source: 'b' });
  });

  it('is not made where one is leaving', () => {
    const replicas = [...two.replicas, replica('c', 5n, 'leaving')];
    const record = recordWith({ replicas, intents: [intentOf('t')] });
    const step = plan(record, nodesOf(['a', 'b', 'c', 'd']));
    expect(step).toMatchObject({ kind: 'bringInSync', storage: 'd' });
  });

  it('waits while no further storage can be reached', () => {
    expect(plan(two, nodesOf(['a', 'b', 'c'], { c: { healthy: false } }))).toEqual({
      kind: 'blocked',
      reason: 'no further storage can be reached',
    });
  });
});

describe('where a storage has no room for one more repair', () => {
  const roomOnlyTo = (...storages: string[]) => ({
    ...anyRoom,
    hasRoomTo: (target: string) => storages.includes(target),
  });
  const next = (record: RepositoryRecord, room: RepairRoom) =>
    planRepair(record, all, policy, isAbandoned, room);

  it('another replica that is behind is brought in sync', () => {
    const record = recordWith({ replicas: [replica('a', 5n), replica('b', 4n), replica('c', 4n)] });
    expect(next(record, roomOnlyTo('b', 'c'))).toMatchObject({ storage: 'b' });
    expect(next(record, roomOnlyTo('c'))).toMatchObject({ storage: 'c' });
    expect(next(record, roomOnlyTo('d'))).toMatchObject({ kind: 'blocked' });
  });

  it('a missing replica is made elsewhere', () => {
    const record = recordWith({ replicas: [replica('a', 5n), replica('b', 5n)] });
    expect(next(record, roomOnlyTo('d'))).toMatchObject({ kind: 'bringInSync', storage: 'd' });
    expect(next(record, roomOnlyTo())).toMatchObject({ kind: 'blocked' });
  });

  it('a copy comes from another one, the primary too', () => {
    const from = (source: string) => ({
      ...anyRoom,
      hasRoomFrom: (storage: string) => storage === source,
    });
    expect(next(behind, from('a'))).toMatchObject({ storage: 'c', source: 'a' });
    expect(next(behind, from('d'))).toMatchObject({ kind: 'blocked' });
  });

  it('a leaving replica that cannot be removed keeps no other from being brought in sync', () => {
    const record = recordWith({ replicas: [...behind.replicas, replica('d', 1n, 'leaving')] });
    expect(next(record, roomOnlyTo('c', 'd'))).toEqual({ kind: 'removeReplica', storage: 'd' });
    expect(next(record, roomOnlyTo('c'))).toMatchObject({ kind: 'bringInSync', storage: 'c' });
  });
});

describe('whatever the record and the storages are like', () => {
  it('a replica is copied from a healthy in-sync one to another healthy storage', () => {
    fc.assert(
      fc.property(anyRecord, anyNodes, (record, nodes) => {
        const step = planRepair(record, nodes, policy, isAbandoned);
        fc.pre(step.kind === 'bringInSync');
        expect(inSyncVoters(record)).toContain(step.source);
        expect(inSyncVoters(record)).not.toContain(step.storage);
        expect(nodes.get(step.source)?.healthy).toBe(true);
        expect(nodes.get(step.storage)?.healthy).toBe(true);
      }),
    );
  });

  it('with all storages healthy the steps end in a repository that needs nothing', () => {
    fc.assert(
      fc.property(anyRecord, fc.integer({ min: 1, max: 5 }), (anyReplicas, replicationFactor) => {
        let record = anyReplicas;
        const nodes = nodesOf(someStorages);
        const wanted = { replicationFactor, minInSyncReplicas: 1 };
        for (let steps = 0; ; steps++) {
          const step = planRepair(record, nodes, wanted, isAbandoned);
          if (step.kind === 'nothing') break;
          expect(steps).toBeLessThan(2 * someStorages.length);
          if (step.kind === 'removeReplica') record = afterRemoval(record, step.storage);
          else if (step.kind === 'bringInSync') record = afterRepair(record, step.storage);
          else throw new Error(`unexpected step: ${step.kind}`);
        }
        expect(inSyncVoters(record).length).toBeGreaterThanOrEqual(replicationFactor);
        expect(inSyncVoters(record)).toHaveLength(record.replicas.length);
      }),
    );
  });
});

/** The record once `storage` was brought in sync. */
function afterRepair(record: RepositoryRecord, storage: string): RepositoryRecord {
  const claim = { id: 'p/repair/1', owner: 'p' };
  const learning = claimRepair(record, storage, claim);
  const current = learning.kind === 'change' ? learning.next : record;
  const barrier = { owner: 'p', expiresAtMs: 1 };
  const quiet = raiseBarrier(current, barrier, 0);
  if (quiet.kind === 'refuse') throw new Error(quiet.reason);
  const promoted = promote(quiet.next, claim, {
    barrier,
    source: record.primary,
    lsn: quiet.next.lsn,
  });
  if (promoted.kind === 'refuse') throw new Error(promoted.reason);
  return promoted.next;
}

/** The record once `storage` has removed a replica that was leaving. */
function afterRemoval(record: RepositoryRecord, storage: string): RepositoryRecord {
  const claim = { id: 'p/removal/1', owner: 'p' };
  const dropped = dropReplica(changed(claimRemoval(record, storage, claim)), claim);
  if (dropped.kind === 'refuse') throw new Error(dropped.reason);
  return dropped.next;
}
