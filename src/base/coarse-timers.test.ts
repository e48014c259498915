import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { fc } from '../../test/support/properties.ts';
import { CoarseTimers } from './coarse-timers.ts';

describe('coarse timers', () => {
  test('call back once, not early, and late by the slack at most', async () => {
    const plan = fc.array(
      fc.record({ startMs: fc.nat({ max: 500 }), delayMs: fc.nat({ max: 5000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(plan, async (timers) => {
        const clock = new ManualClock();
        const coarse = new CoarseTimers(clock, 100);
        const lateMs: number[] = [];
        for (const { startMs, delayMs } of timers.toSorted((a, b) => a.startMs - b.startMs)) {
          await clock.advance(startMs - clock.monotonicMs());
          coarse.after(delayMs, () => lateMs.push(clock.monotonicMs() - startMs - delayMs));
        }
        await clock.advance(6000);
        expect(lateMs).toHaveLength(timers.length);
        for (const ms of lateMs) expect(ms >= 0 && ms <= 100).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('do not call back when they were cancelled, even by one that ended just before', async () => {
    const clock = new ManualClock();
    const coarse = new CoarseTimers(clock, 100);
    const called: string[] = [];
    const cancelled = coarse.after(1000, () => called.push('cancelled'));
    const first = coarse.after(1000, () => {
      called.push('either');
      second.cancel();
    });
    const second = coarse.after(1000, () => {
      called.push('either');
      first.cancel();
    });
    cancelled.cancel();
    await clock.advance(1100);
    expect(called).toEqual(['either']);
  });

  test('leave nothing behind when they are cancelled, however long they were to last', async () => {
    const clock = new ManualClock();
    const coarse = new CoarseTimers(clock, 100);
    for (let call = 0; call < 100; call++) {
      coarse.after(6 * 3_600_000, () => {}).cancel();
      await clock.advance(100);
    }
    expect(clock.pendingCount).toBeLessThanOrEqual(1);
  });

  test('share the timers of the clock', () => {
    const clock = new ManualClock();
    const coarse = new CoarseTimers(clock, 100);
    for (let ms = 0; ms < 1000; ms++) coarse.after(60_000 + ms, () => {});
    expect(clock.pendingCount).toBeLessThanOrEqual(11);
  });
});
