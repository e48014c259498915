import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  changed,
  anyRecord,
  recordWith,
  replica,
  someStorages,
} from '../../../test/support/repository-records.ts';
import { inSyncVoters } from '../routing/repository-record.ts';
import { addReplica } from './record-changes.ts';
import {
  assignedStorages,
  changeReplicaCount,
  claimRemoval,
  dropReplica,
  retireReplica,
} from './replica-count.ts';

const options = { candidates: ['d', 'c', 'e'], minInSyncReplicas: 2 };

describe('more replicas', () => {
  it('are made on storages without one, in the order that is given', () => {
    const next = changed(changeReplicaCount(recordWith(), 5, options));
    expect(next.replicas.slice(3)).toEqual([
      replica('d', -1n, 'learner'),
      replica('e', -1n, 'learner'),
    ]);
    expect(inSyncVoters(next)).toEqual(['a', 'b', 'c']);
  });

  it('are refused without such storages, also where one is about to be removed', () => {
    const refused = { kind: 'refuse', reason: 'tooFewStorages' };
    expect(changeReplicaCount(recordWith(), 6, options)).toEqual(refused);
    const replicas = [replica('a', 5n), replica('b', 5n), replica('c', 5n, 'leaving')];
    const narrow = { ...options, candidates: ['c'] };
    expect(changeReplicaCount(recordWith({ replicas }), 3, narrow)).toEqual(refused);
  });
});

describe('a replica that is sent away', () => {
  it('is leaving, and the others stay as they are', () => {
    expect(changed(retireReplica(recordWith(), 'c', 2)).replicas).toEqual([
      replica('a', 5n),
      replica('b', 5n),
      replica('c', 5n, 'leaving'),
    ]);
  });

  it('stays if it is the primary, if too few others are in sync, or if it is leaving already', () => {
    const reasonOf = (...args: Parameters<typeof retireReplica>) => {
      const outcome = retireReplica(...args);
      return outcome.kind === 'refuse' ? outcome.reason : outcome.kind;
    };
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 5n)];
    const leaving = [replica('a', 5n), replica('b', 5n), replica('c', 5n, 'leaving')];
    expect(reasonOf(recordWith(), 'a', 2)).toBe('isPrimary');
    expect(reasonOf(recordWith({ replicas }), 'c', 2)).toBe('tooFewInSync');
    expect(reasonOf(recordWith({ replicas: leaving }), 'c', 1)).toBe('gone');
    expect(reasonOf(recordWith(), 'd', 1)).toBe('gone');
  });
});

describe('fewer replicas', () => {
  it('leave the primary and those that are in sync', () => {
    const replicas = [replica('a', 5n), replica('b', 3n), replica('c', 5n), replica('d', 5n)];
    const record = recordWith({ replicas, primary: 'c' });
    expect(changed(changeReplicaCount(record, 3, options)).replicas).toEqual([
      replica('a', 5n),
      replica('b', 3n, 'leaving'),
      replica('c', 5n),
      replica('d', 5n),
    ]);
    expect(inSyncVoters(changed(changeReplicaCount(record, 2, options)))).toEqual(['c', 'd']);
  });

  it('are refused if too few for a write would be in sync', () => {
    expect(changeReplicaCount(recordWith(), 1, options)).toEqual({
      kind: 'refuse',
      reason: 'tooFewInSync',
    });
  });

  it('may be asked for when too few are in sync anyway, if none of them goes', () => {
    const record = recordWith({ replicas: [replica('a', 5n), replica('b', 3n), replica('c', 3n)] });
    expect(inSyncVoters(changed(changeReplicaCount(record, 2, options)))).toEqual(['a']);
  });
});

it('never takes the primary away, nor the last replicas that a write needs', () => {
  fc.assert(
    fc.property(anyRecord, fc.integer({ min: 1, max: 5 }), (record, count) => {
      const given = { candidates: someStorages, minInSyncReplicas: 2 };
      const change = changeReplicaCount(record, count, given);
      if (change.kind === 'refuse') return;
      const { next } = change;
      expect(assignedStorages(next)).toHaveLength(count);
      expect(assignedStorages(next)).toContain(record.primary);
      expect(next).toEqual({ ...record, replicas: next.replicas });
      const before = inSyncVoters(record);
      const after = inSyncVoters(next);
      expect(before).toEqual(expect.arrayContaining([...after]));
      expect(after.length).toBeGreaterThanOrEqual(Math.min(before.length, 2));
      const storages = next.replicas.map(({ storage }) => storage);
      expect(new Set(storages).size).toBe(storages.length);
    }),
    { numRuns: 1000 },
  );
});

describe('a replica that is leaving', () => {
  const claim = { id: 'p1/removal/1', owner: 'p1' };
  const other = { id: 'p2/removal/1', owner: 'p2' };
  const leaving = recordWith({ replicas: [replica('a', 5n), replica('b', 5n, 'leaving')] });
  const claimed = changed(claimRemoval(leaving, 'b', claim));

  it('is struck out by whoever has claimed it', () => {
    expect(changed(dropReplica(claimed, claim)).replicas).toEqual([replica('a', 5n)]);
    for (const record of [leaving, claimed]) {
      expect(dropReplica(record, other)).toEqual({ kind: 'refuse', reason: 'notLeaving' });
    }
  });

  it('is claimed once, unless the owner of the claim is gone', () => {
    const refused = { kind: 'refuse', reason: 'claimed' };
    expect(claimRemoval(claimed, 'b', other)).toEqual(refused);
    expect(claimRemoval(claimed, 'b', other, { ...claim, id: 'p1/removal/0' })).toEqual(refused);
    const taken = changed(claimRemoval(claimed, 'b', other, claim));
    expect(changed(dropReplica(taken, other)).replicas).toEqual([replica('a', 5n)]);
    expect(dropReplica(taken, claim)).toEqual({ kind: 'refuse', reason: 'notLeaving' });
  });

  it('is the only one that can be claimed so', () => {
    for (const storage of ['a', 'c']) {
      const refused = { kind: 'refuse', reason: 'notLeaving' };
      expect(claimRemoval(leaving, storage, claim)).toEqual(refused);
    }
  });

  it('gets nothing new before it is gone', () => {
    for (const record of [leaving, claimed]) {
      expect(addReplica(record, 'b')).toEqual({ kind: 'refuse', reason: 'leaving' });
    }
  });
});
