import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  anyRecord,
  intentOf,
  recordWith,
  replica,
  someStorages,
} from '../../../test/support/repository-records.ts';
import { inSyncVoters, isInSync } from '../routing/repository-record.ts';
import { leaveBehind } from './leave-behind.ts';

const barrier = { owner: 'proxy-2', expiresAtMs: 2000 };

describe('leaving flawed replicas behind', () => {
  it('takes exactly these out, keeps one that is right, and a primary in sync', () => {
    const anySight = fc
      .tuple(
        ...someStorages.map((storage) =>
          fc
            .constantFrom('kept', 'different', 'empty', 'unseen')
            .map((what) => [storage, what] as const),
        ),
      )
      .map(
        (pairs) => (wanted: string) =>
          pairs.filter(([, what]) => what === wanted).map(([storage]) => storage),
      );
    fc.assert(
      fc.property(anyRecord, anySight, (bare, storagesThatAre) => {
        const record = { ...bare, barrier };
        const [kept, different, empty] = ['kept', 'different', 'empty'].map(storagesThatAre) as [
          string[],
          string[],
          string[],
        ];
        const before = inSyncVoters(record);
        const change = leaveBehind(record, { barrier, lsn: record.lsn, kept, different, empty });
        const isOneKept = before.some((storage) => kept.includes(storage));
        expect(change.kind === 'change').toBe(isOneKept);
        if (change.kind === 'refuse') return;
        const { next } = change;
        const flawed = new Set([...different, ...empty]);
        expect(inSyncVoters(next)).toEqual(before.filter((storage) => !flawed.has(storage)));
        expect(isInSync(next, next.primary)).toBe(true);
        expect(next.epoch).toBe(record.epoch + (flawed.has(record.primary) ? 1n : 0n));
        expect(next.lsn).toBe(record.lsn + 1n);
        expect(next.barrier).toBeUndefined();
        expect(next.replicas.map(({ storage }) => storage)).toEqual(
          record.replicas.map(({ storage }) => storage),
        );
        for (const storage of empty.filter((each) => isInSync(record, each))) {
          const held = next.replicas.find((each) => each.storage === storage);
          expect(held).toEqual(replica(storage, -1n, 'learner'));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['another barrier stands', { barrier: { ...barrier, expiresAtMs: 3000 } }, 'barrierGone'],
    ['a write is in flight', { barrier, intents: [intentOf('w')] }, 'writesInFlight'],
    ['something was written since', { barrier, lsn: 6n }, 'written'],
    [
      'what was right fell behind',
      { barrier, primary: 'b', replicas: [replica('b', 5n)] },
      'noneKept',
    ],
  ] as const)('is refused if %s', (_what, parts, reason) => {
    const seen = { barrier, lsn: 5n, kept: ['a'], different: ['b'], empty: ['c'] };
    expect(leaveBehind(recordWith(parts), seen)).toEqual({ kind: 'refuse', reason });
  });
});
