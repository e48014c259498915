import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  isTrusted,
  noWriteFailures,
  stepWriteFailures,
  type WriteEvidence,
  type WriteFailures,
} from './write-failures.ts';

type Event = readonly [evidence: WriteEvidence, afterMs: number];

/** Plays one event after the other; tells the state, and the time of the last one. */
function play(events: readonly Event[]): { state: WriteFailures; nowMs: number } {
  let state = noWriteFailures;
  let nowMs = 0;
  for (const [evidence, afterMs] of events) {
    nowMs += afterMs;
    state = stepWriteFailures(state, evidence, nowMs);
  }
  return { state, nowMs };
}

function trusts(events: readonly Event[], laterMs = 0): boolean {
  const { state, nowMs } = play(events);
  return isTrusted(state, nowMs + laterMs);
}

describe('a storage whose writes fail', () => {
  test('is trusted after one failure, and not after a second that follows soon', () => {
    expect(trusts([])).toBe(true);
    expect(trusts([['failed', 0]])).toBe(true);
    expect(
      trusts([
        ['failed', 0],
        ['failed', 30_000],
      ]),
    ).toBe(false);
  });

  test('is trusted if a write was done in between, or a long time has passed', () => {
    expect(
      trusts([
        ['failed', 0],
        ['done', 10],
        ['failed', 10],
      ]),
    ).toBe(true);
    expect(
      trusts([
        ['failed', 0],
        ['failed', 30_001],
      ]),
    ).toBe(true);
  });

  test('is trusted again a minute later, and on probation then', () => {
    const failed: readonly Event[] = [
      ['failed', 0],
      ['failed', 0],
    ];
    expect(trusts(failed, 59_999)).toBe(false);
    expect(trusts(failed, 60_000)).toBe(true);
    expect(trusts([...failed, ['failed', 3_600_000]])).toBe(false);
    expect(trusts([...failed, ['done', 60_000], ['failed', 0]])).toBe(true);
  });

  test('is not trusted sooner because a write was done meanwhile', () => {
    expect(
      trusts([
        ['failed', 0],
        ['failed', 0],
        ['done', 59_999],
      ]),
    ).toBe(false);
  });
});

describe('whatever its writes were like', () => {
  const anything = fc.array(
    fc.tuple(fc.constantFrom<WriteEvidence>('done', 'failed'), fc.integer({ min: 0, max: 90_000 })),
    { maxLength: 30 },
  );

  test('a storage is distrusted only within a minute after a failure', () => {
    fc.assert(
      fc.property(anything, fc.integer({ min: 0, max: 90_000 }), (events, laterMs) => {
        const { state, nowMs } = play(events);
        fc.pre(!isTrusted(state, nowMs + laterMs));
        expect(nowMs + laterMs - state.lastAtMs).toBeLessThan(60_000);
      }),
    );
  });

  test('two failures at once end the trust, and a minute and a write that is done give it back whole', () => {
    fc.assert(
      fc.property(anything, (events) => {
        const failed: readonly Event[] = [...events, ['failed', 0], ['failed', 0]];
        expect(trusts(failed)).toBe(false);
        expect(play([...failed, ['done', 60_000]]).state).toEqual(noWriteFailures);
      }),
    );
  });

  test('a storage that has never failed is trusted', () => {
    fc.assert(
      fc.property(anything, (events) => {
        const done = events.map(([, afterMs]) => ['done', afterMs] as const);
        expect(trusts(done)).toBe(true);
      }),
    );
  });
});
