import { describe, expect, it } from '@jest/globals';
import { WriteRegistry, type VoteResult } from './write-registry.ts';

describe('the writes of a proxy', () => {
  it('know no transaction that was never added', () => {
    const writes = new WriteRegistry();
    const results: VoteResult[] = [];
    writes.vote(1n, 'a', { phase: 'prepared', hash: '' }, (result) => results.push(result));
    expect(results).toEqual([{ kind: 'unknownTransaction' }]);
    expect(writes.stop(1n)).toBe(false);
    expect(writes.size).toBe(0);
  });

  it('hold a transaction until all who look after it are done', () => {
    const writes = new WriteRegistry();
    expect(writes.isHeld('t')).toBe(false);
    const releaseCall = writes.hold('t');
    const releaseSettlement = writes.hold('t');
    releaseCall();
    expect(writes.isHeld('t')).toBe(true);
    expect(writes.isHeld('other')).toBe(false);
    releaseSettlement();
    expect(writes.isHeld('t')).toBe(false);
  });
});
