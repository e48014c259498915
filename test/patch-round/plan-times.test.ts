import { expect, test } from '@jest/globals';
import { ManualClock } from '../support/manual-clock.ts';
import { PlanTimes } from './plan-times.ts';

test('a plan takes from the last look after a list to the first decision, and the longest counts', async () => {
  const clock = new ManualClock();
  const times = new PlanTimes(clock);
  times.noteLook();
  await clock.advance(1_000);
  times.noteDecision(); // without a list: nothing was planned
  expect(times.longestMs).toBe(0);
  for (const tookMs of [70, 30]) {
    times.noteList();
    await clock.advance(500);
    times.noteLook();
    await clock.advance(tookMs);
    times.noteDecision();
    await clock.advance(900);
    times.noteDecision(); // the next drain of the same group
  }
  expect(times.longestMs).toBe(70);
  expect(times.lists).toBe(2);
});
