import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  changed,
  intentOf,
  recordWith,
  replica,
} from '../../../test/support/repository-records.ts';
import {
  inSyncVoters,
  maxIntents,
  type Intent,
  type RepositoryRecord,
} from '../routing/repository-record.ts';
import { lowerBarrier, raiseBarrier } from './barrier-changes.ts';
import type { RecordChange } from './record-change.ts';
import {
  abandonIntent,
  claimRepair,
  dropIntent,
  heldBy,
  movePrimary,
  promote,
  releaseRepair,
  settleAbandoned,
  settleWrite,
  takeIntent,
} from './record-changes.ts';

const storages = ['a', 'b', 'c', 'd'];

const claim = { id: 'proxy-1/repair/1', owner: 'proxy-1' };
const behind = recordWith({ replicas: [replica('a', 5n), replica('b', 5n), replica('c', 3n)] });
const limits = { primary: 'a', minInSyncReplicas: 2, nowMs: 1000 };

describe('taking an intent', () => {
  it('leaves out voters that have fallen behind', () => {
    const record = recordWith({ replicas: [replica('a', 5n), replica('b', 4n), replica('c', 5n)] });
    expect(changed(takeIntent(record, intentOf('t'), limits)).intents).toEqual([
      intentOf('t', { voters: ['a', 'c'] }),
    ]);
  });

  it('gives a vote to a learner that was promoted since the write was routed', () => {
    const routed = intentOf('t', { voters: ['a', 'b', 'c', 'd'] });
    const replicas = [replica('a', 5n), replica('c', 5n), replica('d', 5n, 'learner')];
    const [intent] = changed(takeIntent(recordWith({ replicas }), routed, limits)).intents;
    expect(intent?.voters).toEqual(['a', 'c']);
  });

  it('is taken with the primary that the write began with, wherever the primary has moved since', () => {
    const record = recordWith({ primary: 'b' });
    expect(changed(takeIntent(record, intentOf('t'), limits))).toMatchObject({
      primary: 'b',
      intents: [intentOf('t')],
    });
  });

  it('is refused when the primary that the write began with is behind', () => {
    const replicas = [replica('a', 4n), replica('b', 5n), replica('c', 5n)];
    const record = recordWith({ primary: 'b', replicas });
    expect(takeIntent(record, intentOf('t'), limits)).toMatchObject({ reason: 'primaryBehind' });
  });

  it('replaces an earlier one of the same transaction', () => {
    const record = recordWith({ intents: [intentOf('t', { voters: ['a'] }), intentOf('u')] });
    const { intents } = changed(takeIntent(record, intentOf('t'), limits));
    expect(intents).toEqual([intentOf('u'), intentOf('t')]);
  });

  it('is refused to a proxy that routed in an older epoch', () => {
    const record = recordWith({ epoch: 2n });
    expect(takeIntent(record, intentOf('t'), limits)).toEqual({ kind: 'refuse', reason: 'fenced' });
  });

  it('is refused with too few voters in sync', () => {
    const record = recordWith({ replicas: [replica('a', 5n), replica('b', 4n), replica('c', 4n)] });
    expect(takeIntent(record, intentOf('t'), limits)).toMatchObject({ reason: 'tooFewVoters' });
  });

  it('is refused when the primary was not asked, however many others were', () => {
    const intent = intentOf('t', { voters: ['a', 'c'] });
    const record = recordWith({ primary: 'b' });
    expect(takeIntent(record, intent, limits)).toMatchObject({ reason: 'tooFewVoters' });
  });

  it('waits while as many writes are in flight as may be', () => {
    const inFlight = (count: number) =>
      recordWith({ intents: Array.from({ length: count }, (_, index) => intentOf(`t${index}`)) });
    expect(takeIntent(inFlight(maxIntents), intentOf('t'), limits)).toMatchObject({
      reason: 'busy',
    });
    const next = changed(takeIntent(inFlight(maxIntents - 1), intentOf('t'), limits));
    expect(next.intents).toHaveLength(maxIntents);
  });

  it('waits for a barrier, and not for one that has run out', () => {
    const record = recordWith({ barrier: { owner: 'proxy-2', expiresAtMs: 1001 } });
    expect(takeIntent(record, intentOf('t'), limits)).toMatchObject({ reason: 'barrier' });
    const later = { ...limits, nowMs: 1002 };
    expect(changed(takeIntent(record, intentOf('t'), later)).barrier).toBeUndefined();
  });
});

describe('settling a write', () => {
  it('moves the holders along and leaves the others behind', () => {
    const record = recordWith({ intents: [intentOf('t')] });
    const next = changed(settleWrite(record, 't', ['a', 'c']));
    expect(next.lsn).toBe(6n);
    expect(inSyncVoters(next)).toEqual(['a', 'c']);
    expect(next.intents).toEqual([]);
  });

  it('replaces a primary that does not hold the write, in a new epoch', () => {
    const record = recordWith({ intents: [intentOf('t')] });
    expect(changed(settleWrite(record, 't', ['b', 'c']))).toMatchObject({
      primary: 'b',
      epoch: 2n,
    });
  });

  it('does not bring a replica back that was behind before', () => {
    const record = recordWith({
      replicas: [replica('a', 5n), replica('b', 5n), replica('c', 4n)],
      intents: [intentOf('t')],
    });
    expect(inSyncVoters(changed(settleWrite(record, 't', ['a', 'b', 'c'])))).toEqual(['a', 'b']);
  });

  it('is refused if only replicas hold it that others have overtaken', () => {
    const record = recordWith({
      primary: 'b',
      replicas: [replica('a', 4n), replica('b', 5n), replica('c', 5n)],
      intents: [intentOf('t')],
    });
    expect(settleWrite(record, 't', ['a'])).toEqual({ kind: 'refuse', reason: 'overtaken' });
    expect(heldBy(record, ['a'])).toEqual([]);
  });

  it('is refused when somebody else has settled it', () => {
    expect(settleWrite(recordWith(), 't', ['a'])).toEqual({ kind: 'refuse', reason: 'gone' });
  });
});

describe('giving up a write', () => {
  it('takes the owner from that write only', () => {
    const record = recordWith({ intents: [intentOf('t1'), intentOf('t2')] });
    const { intents } = changed(abandonIntent(record, 't2'));
    expect(intents).toEqual([intentOf('t1'), intentOf('t2', { owner: '' })]);
  });

  it('is refused when somebody else has settled it', () => {
    const record = recordWith({ intents: [intentOf('t1')] });
    expect(abandonIntent(record, 't2')).toEqual({ kind: 'refuse', reason: 'gone' });
  });
});

describe('moving the primary', () => {
  it('goes to an in-sync voter, and changes nothing else', () => {
    expect(changed(movePrimary(recordWith(), 'b'))).toEqual({ ...recordWith(), primary: 'b' });
  });

  it('is refused where it would change nothing, or lose something', () => {
    expect(movePrimary(recordWith(), 'a')).toEqual({ kind: 'refuse', reason: 'already' });
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 5n, 'learner')];
    for (const to of ['b', 'c', 'd']) {
      expect(movePrimary(recordWith({ replicas }), to)).toMatchObject({ reason: 'notInSync' });
    }
  });
});

describe('bringing a replica in sync', () => {
  it('keeps what is known of the replica until then', () => {
    const replicas = [replica('a', 5n), replica('b', 3n)];
    const record = recordWith({ replicas });
    for (const [storage, lsn] of [
      ['b', 3n],
      ['c', -1n],
    ] as const) {
      expect(changed(claimRepair(record, storage, claim)).replicas).toContainEqual({
        ...replica(storage, lsn, 'learner'),
        repair: claim,
      });
    }
  });

  it('needs nothing if it is in sync already', () => {
    expect(claimRepair(recordWith(), 'b', claim)).toEqual({ kind: 'refuse', reason: 'inSync' });
  });

  it('is left to whoever has claimed it, unless that one is known to be gone', () => {
    const theirs = { id: 'proxy-2/repair/1', owner: 'proxy-2' };
    const replicas = [replica('a', 5n), { ...replica('b', 3n, 'learner'), repair: theirs }];
    const record = recordWith({ replicas });
    const newer = { ...theirs, id: 'proxy-2/repair/2' };
    for (const gone of [undefined, newer]) {
      expect(claimRepair(record, 'b', claim, gone)).toMatchObject({ reason: 'claimed' });
    }
    const taken = changed(claimRepair(record, 'b', claim, theirs));
    expect(taken.replicas[1]?.repair).toEqual(claim);
    expect(releaseRepair(taken, theirs)).toMatchObject({ reason: 'gone' });
    expect(changed(releaseRepair(taken, claim)).replicas[1]).toEqual(replica('b', 3n, 'learner'));
  });

  it('tells people why it has failed, until it has succeeded', () => {
    const failure = 'the disk is full';
    const claimed = changed(claimRepair(behind, 'c', claim));
    const failed = changed(releaseRepair(claimed, claim, failure));
    expect(failed.replicas).toContainEqual({
      ...replica('c', 3n, 'learner'),
      lastFailure: failure,
    });
    const again = changed(claimRepair(failed, 'c', claim));
    const isClaimed = { repair: claim, lastFailure: failure };
    expect(again.replicas).toContainEqual({ ...replica('c', 3n, 'learner'), ...isClaimed });
    const barrier = { owner: 'proxy-1', expiresAtMs: 2000 };
    const quiet = changed(raiseBarrier(again, barrier, 1000));
    const whole = changed(promote(quiet, claim, { barrier, source: 'a', lsn: 5n }));
    expect(whole.replicas).toContainEqual(replica('c', 5n));
    const long = changed(releaseRepair(claimed, claim, 'x'.repeat(10_000)));
    expect(long.replicas.find(({ storage }) => storage === 'c')?.lastFailure).toHaveLength(500);
  });

  it('is refused to a proxy that has lost its claim', () => {
    const barrier = { owner: 'proxy-1', expiresAtMs: 2000 };
    const learning = changed(claimRepair(behind, 'c', claim));
    const quiet = changed(raiseBarrier(learning, barrier, 1000));
    const other = { id: 'proxy-1/repair/2', owner: 'proxy-1' };
    expect(promote(quiet, other, { barrier, source: 'a', lsn: 5n })).toMatchObject({
      reason: 'claimLost',
    });
  });

  it('ends when the replica is leaving', () => {
    const barrier = { owner: 'proxy-1', expiresAtMs: 2000 };
    const leaving = { ...replica('c', 3n, 'leaving'), repair: claim };
    const record = recordWith({ barrier, replicas: [replica('a', 5n), leaving] });
    expect(claimRepair(record, 'c', claim, claim)).toMatchObject({ reason: 'leaving' });
    expect(promote(record, claim, { barrier, source: 'a', lsn: 5n })).toMatchObject({
      reason: 'claimLost',
    });
  });

  it('takes it as a learner, and as a voter once it was found equal under the barrier', () => {
    const learning = changed(claimRepair(behind, 'c', claim));
    expect(inSyncVoters(learning)).toEqual(['a', 'b']);
    const barrier = { owner: 'proxy-1', expiresAtMs: 2000 };
    const quiet = changed(raiseBarrier(learning, barrier, 1000));
    const done = changed(promote(quiet, claim, { barrier, source: 'b', lsn: 5n }));
    expect(inSyncVoters(done).toSorted()).toEqual(['a', 'b', 'c']);
    expect(done.barrier).toBeUndefined();
    expect(done.replicas.some(({ repair }) => repair !== undefined)).toBe(false);
  });

  it('is refused while a write is in flight, and to a proxy without the barrier', () => {
    const barrier = { owner: 'proxy-1', expiresAtMs: 2000 };
    const busy = recordWith({ barrier, intents: [intentOf('t')] });
    const equal = { barrier, source: 'a', lsn: 5n };
    expect(promote(busy, claim, equal)).toMatchObject({ reason: 'writesInFlight' });
    const gone = { reason: 'barrierGone' };
    expect(promote(recordWith(), claim, equal)).toMatchObject(gone);
    for (const other of [{ owner: 'proxy-2' }, { expiresAtMs: 2001 }]) {
      const record = recordWith({ barrier: { ...barrier, ...other } });
      expect(promote(record, claim, equal)).toMatchObject(gone);
      expect(lowerBarrier(record, barrier)).toMatchObject({ reason: 'gone' });
      const settling = { barrier, equal: ['a'], isAbandoned: () => true };
      expect(settleAbandoned(record, settling)).toMatchObject(gone);
    }
  });

  it('is refused when a write was recorded since the contents were compared', () => {
    const barrier = { owner: 'proxy-1', expiresAtMs: 2000 };
    const learning = changed(claimRepair({ ...behind, intents: [intentOf('t')] }, 'c', claim));
    const compared = changed(raiseBarrier(learning, barrier, 1000));
    const written = changed(settleWrite(compared, 't', ['a', 'b']));
    const equal = { barrier, source: 'b', lsn: compared.lsn };
    expect(promote(written, claim, equal)).toEqual({ kind: 'refuse', reason: 'written' });
  });

  it('is refused when the replica that it is equal to has fallen behind', () => {
    const barrier = { owner: 'proxy-1', expiresAtMs: 2000 };
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 4n, 'learner')];
    const equal = { barrier, source: 'b', lsn: 5n };
    expect(promote(recordWith({ barrier, replicas }), claim, equal)).toMatchObject({
      reason: 'sourceBehind',
    });
  });
});

describe('settling the writes of an owner that is gone', () => {
  const barrier = { owner: 'proxy-2', expiresAtMs: 2000 };
  const isAbandoned = (intent: Intent) => intent.owner === 'proxy-1';

  it('goes on with the equal replicas, in a new epoch', () => {
    const record = recordWith({ barrier, intents: [intentOf('t')] });
    const next = changed(settleAbandoned(record, { barrier, equal: ['b', 'c'], isAbandoned }));
    expect(next).toMatchObject({ epoch: 2n, lsn: 6n, primary: 'b', intents: [] });
    expect(inSyncVoters(next)).toEqual(['b', 'c']);
  });

  it('keeps the primary if that is among the equal ones, and lowers the barrier', () => {
    const replicas = [replica('a', 5n), replica('b', 5n), replica('c', 5n)];
    const record = recordWith({ barrier, primary: 'b', replicas, intents: [intentOf('t')] });
    const next = changed(settleAbandoned(record, { barrier, equal: ['a', 'b'], isAbandoned }));
    expect(next).toMatchObject({ primary: 'b', epoch: 2n });
    expect(next.barrier).toBeUndefined();
  });

  it('does not bring a replica back that was behind before', () => {
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 5n, 'learner')];
    const record = recordWith({ barrier, replicas, intents: [intentOf('t')] });
    const equal = ['a', 'b', 'c'];
    const next = changed(settleAbandoned(record, { barrier, equal, isAbandoned }));
    expect(inSyncVoters(next)).toEqual(['a']);
    expect(next.replicas).toContainEqual(replica('b', 4n));
  });

  it('is refused while no in-sync replica is among the equal ones', () => {
    const record = recordWith({ barrier, intents: [intentOf('t')] });
    expect(settleAbandoned(record, { barrier, equal: [], isAbandoned })).toMatchObject({
      reason: 'noneInSync',
    });
  });

  it('waits for writes whose owner is alive', () => {
    const record = recordWith({ barrier, intents: [intentOf('t', { owner: 'proxy-3' })] });
    expect(settleAbandoned(record, { barrier, equal: ['a'], isAbandoned })).toMatchObject({
      reason: 'writesInFlight',
    });
  });
});

describe('after any sequence of changes', () => {
  const subsets = fc.subarray(storages);
  const barrier = { owner: 'p', expiresAtMs: 2000 };
  const names = fc.constantFrom('t1', 't2', 't3');
  type Change = (record: RepositoryRecord) => RecordChange<unknown>;
  const changes: fc.Arbitrary<Change> = fc.oneof(
    fc.tuple(names, subsets).map(
      ([name, voters]): Change =>
        (record) =>
          takeIntent(record, intentOf(name, { voters, epoch: record.epoch }), {
            ...limits,
            primary: voters[0] ?? 'a',
          }),
    ),
    fc.tuple(names, subsets).map(
      ([name, holders]): Change =>
        (record) =>
          settleWrite(record, name, holders),
    ),
    names.map(
      (name): Change =>
        (record) =>
          dropIntent(record, name),
    ),
    fc.constantFrom(...storages).map(
      (to): Change =>
        (record) =>
          movePrimary(record, to),
    ),
    fc.constantFrom(...storages).map(
      (storage): Change =>
        (record) =>
          claimRepair(record, storage, claim, claim),
    ),
    fc.constant<Change>((record) => raiseBarrier(record, barrier, 1000)),
    fc.constant<Change>((record) => lowerBarrier(record, barrier)),
    fc.constant<Change>((record) =>
      promote(record, claim, { barrier, source: record.primary, lsn: record.lsn }),
    ),
    fc.constant<Change>((record) => releaseRepair(record, claim)),
    subsets.map(
      (equal): Change =>
        (record) =>
          settleAbandoned(record, { barrier, equal, isAbandoned: () => true }),
    ),
  );

  it('there is a primary, it is in sync or replaced in a new epoch, and epoch and LSN never go back', () => {
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 30 }), (sequence) => {
        let record = recordWith();
        for (const change of sequence) {
          const result = change(record);
          if (result.kind === 'refuse') continue;
          const { next } = result;
          expect(inSyncVoters(next)).toContain(next.primary);
          expect(next.lsn).toBeGreaterThanOrEqual(record.lsn);
          expect(next.epoch).toBeGreaterThanOrEqual(record.epoch);
          const isFallenBehind = !inSyncVoters(next).includes(record.primary);
          if (isFallenBehind) expect(next.epoch).toBeGreaterThan(record.epoch);
          record = next;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
