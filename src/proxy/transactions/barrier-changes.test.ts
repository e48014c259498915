import { describe, expect, it } from '@jest/globals';
import { changed, intentOf, recordWith } from '../../../test/support/repository-records.ts';
import {
  beginComparison,
  hasBarrier,
  isQuietBut,
  isSteady,
  raiseBarrier,
} from './barrier-changes.ts';
import { abandonIntent, settleWrite } from './record-changes.ts';

describe('a write that is to be compared', () => {
  const barrier = { owner: 'proxy-1', expiresAtMs: 2000 };
  const record = recordWith({ intents: [intentOf('t'), intentOf('other')] });

  it('holds new writes back, and is not waited for any more', () => {
    const begun = changed(beginComparison(record, 't', barrier, 1000));
    expect(begun.barrier).toEqual({ ...barrier, forComparison: true });
    expect([isQuietBut(begun, 'other'), isQuietBut(begun, 't')]).toEqual([true, false]);
  });

  it('lets writes in with the last one that is to be compared, however that ends', () => {
    const both = ['t', 'other'].reduce(
      (current, transaction) =>
        changed(beginComparison(current, transaction, { ...barrier }, 1000)),
      record,
    );
    const settled = changed(settleWrite(both, 't', ['a', 'b', 'c']));
    expect(settled.barrier).toEqual({ ...barrier, forComparison: true });
    expect(isSteady(both, settled, 'other')).toBe(true);
    expect(changed(settleWrite(settled, 'other', ['a', 'b'])).barrier).toBeUndefined();
    expect(changed(abandonIntent(settled, 'other')).barrier).toBeUndefined();
    expect(isSteady(both, { ...settled, barrier: { ...barrier, expiresAtMs: 1 } }, 'other')).toBe(
      false,
    );
  });

  it('leaves the barrier of another as it is', () => {
    const held = { ...record, barrier: { owner: 'proxy-2', expiresAtMs: 1500 } };
    const begun = changed(beginComparison(held, 't', barrier, 1000));
    expect(begun.barrier).toEqual(held.barrier);
    expect(isQuietBut(begun, 'other')).toBe(true);
    expect(beginComparison(begun, 't', barrier, 1499)).toMatchObject({ reason: 'already' });
    expect(changed(beginComparison(begun, 't', barrier, 1500)).barrier).toMatchObject(barrier);
  });

  it('is refused when its intent is gone', () => {
    expect(beginComparison(record, 'unknown', barrier, 1000)).toMatchObject({ reason: 'gone' });
  });
});

describe('a barrier', () => {
  const barrier = { owner: 'proxy-1', expiresAtMs: 2000 };

  it('stands until its time is up', () => {
    expect(hasBarrier(recordWith(), 1999)).toBe(false);
    expect(hasBarrier(recordWith({ barrier }), 1999)).toBe(true);
    expect(hasBarrier(recordWith({ barrier }), 2000)).toBe(false);
  });

  it('keeps everybody out while it stands, its owner too', () => {
    const other = { ...barrier, expiresAtMs: 3000 };
    const record = recordWith({ barrier });
    expect(raiseBarrier(record, other, 1999)).toMatchObject({ reason: 'barrier' });
    expect(changed(raiseBarrier(record, other, 2000)).barrier).toEqual(other);
  });
});
