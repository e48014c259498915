import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { intentOf, recordWith, replica } from '../../../test/support/repository-records.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import { makeAuthoritative, settleWrite, takeIntent } from './record-changes.ts';

const limits = { primary: 'a', minInSyncReplicas: 1, nowMs: 1000 };

describe('making one replica authoritative', () => {
  const barrier = { owner: 'proxy-2', expiresAtMs: 2000 };
  const anyState = fc
    .record({
      lsns: fc.array(fc.constantFrom(-1n, 3n, 4n, 5n), { minLength: 3, maxLength: 3 }),
      roles: fc.array(fc.constantFrom('voter' as const, 'learner' as const, 'leaving' as const), {
        minLength: 3,
        maxLength: 3,
      }),
      abandoned: fc.boolean(),
      intents: fc.nat({ max: 2 }),
      chosen: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      holders: fc.subarray(['a', 'b', 'c', 'd']),
      underBarrier: fc.boolean(),
    })
    .map(({ lsns, roles, intents, chosen, holders, abandoned, underBarrier }) => {
      const others = ['b', 'c', 'd'].map((storage, index) =>
        replica(storage, lsns[index] ?? 0n, roles[index] ?? 'voter'),
      );
      const record = recordWith({
        ...(underBarrier ? { barrier } : {}),
        replicas: [replica('a', 5n), ...others],
        intents: Array.from({ length: intents }, (_, index) => intentOf(`t${index}`)),
      });
      return { record, chosen, holders, abandoned, underBarrier };
    });

  it('leaves that one in sync and nothing else, or changes nothing', () => {
    fc.assert(
      fc.property(anyState, ({ record, chosen, holders, abandoned, underBarrier }) => {
        const change = makeAuthoritative(record, {
          storage: chosen,
          barrier,
          holders: new Set(holders),
          isAbandoned: () => abandoned,
        });
        const before = record.replicas.find(({ storage }) => storage === chosen);
        if (change.kind === 'refuse') return;
        expect(underBarrier).toBe(true);
        expect(abandoned || record.intents.length === 0).toBe(true);
        const inSync = inSyncVoters(record);
        if (!inSync.includes(chosen)) {
          expect(inSync.filter((storage) => holders.includes(storage))).toEqual([]);
        }
        const { next } = change;
        expect(inSyncVoters(next)).toEqual([chosen]);
        expect(next).toMatchObject({ primary: chosen, epoch: 2n, lsn: 6n, intents: [] });
        expect(next.barrier).toBeUndefined();
        const others = ({ replicas }: RepositoryRecord) =>
          replicas.filter(({ storage }) => storage !== chosen);
        expect(others(next)).toEqual(others(record));
        expect(before?.role).not.toBe('leaving');
        expect(before?.lsn).toBeGreaterThanOrEqual(0n);
        // Whoever had begun before can neither commit nor record.
        expect(takeIntent(next, intentOf('late'), limits)).toMatchObject({ reason: 'fenced' });
        expect(settleWrite(next, 't0', ['a', 'b', 'c', 'd'])).toMatchObject({ reason: 'gone' });
      }),
      { numRuns: 1000 },
    );
  });

  it('is possible for a replica that is behind when none in sync shows itself', () => {
    const record = recordWith({ barrier, replicas: [replica('a', 5n), replica('b', 4n)] });
    const options = { storage: 'b', barrier, isAbandoned: () => false };
    expect(makeAuthoritative(record, { ...options, holders: new Set(['b']) })).toMatchObject({
      kind: 'change',
      next: { replicas: [replica('a', 5n), replica('b', 6n)] },
    });
    expect(makeAuthoritative(record, { ...options, holders: new Set(['a', 'b']) })).toMatchObject({
      reason: 'notNeeded',
    });
  });

  it('waits for a repair of that replica, unless its owner is gone', () => {
    const repair = { id: 'proxy-1/repair/1', owner: 'proxy-1' };
    const learner = { ...replica('b', 4n, 'learner'), repair };
    const record = recordWith({ barrier, replicas: [replica('a', 5n), learner] });
    const options = { storage: 'b', barrier, holders: new Set<string>() };
    expect(makeAuthoritative(record, { ...options, isAbandoned: () => false })).toMatchObject({
      reason: 'underRepair',
    });
    const change = makeAuthoritative(record, { ...options, isAbandoned: () => true });
    if (change.kind === 'refuse') throw new Error(change.reason);
    expect(change.next.replicas).toEqual([replica('a', 5n), replica('b', 6n)]);
  });
});
