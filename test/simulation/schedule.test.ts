import { describe, expect, it, test } from '@jest/globals';
import { formatSchedule, parseSchedule, Plan, play } from './schedule.ts';

/** What has failed once, and what was wrong. */
const kept = [
  ['long/38', 'a write without votes began although others had settled it, after a pause'],
  ['other/1/p1-pauses-4000@4', 'the same, in the shortest way'],
  ['creation/1/b-fails@8', 'a repository that its primary could not make was there, and on nobody'],
  ['mixed/906642642/a-crashes@63', 'a creation that came to nothing left its record'],
  ['other-beside-voting/1/p2-crashes@12', 'the barrier of a dead proxy was never taken away'],
  [
    'client-gives-up/82644702/p2-has-a-silent-store@45,a-refuses@47',
    'a proxy took its own intent for gone, by an answer of the store that was older',
  ],
  [
    'mixed/823996584',
    'writes of a proxy that had just started were taken for abandoned, by an older answer of the store',
  ],
  [
    'mixed/720215790/p1-pauses-1000@14,storages-crash@14,a-refuses@43',
    'a proxy knew a barrier that was gone, by an answer of the store that was older than what had been pushed',
  ],
] as const;

describe('a schedule', () => {
  test.each(kept)(
    '%s passes: once %s',
    async (schedule, _what) => {
      await play(parseSchedule(schedule));
    },
    120_000,
  );

  it('is the same run each time', async () => {
    const schedule = parseSchedule('same-reference/7/p1-pauses-4000@31,b-fails@40');
    const [first, second] = [await play(schedule, true), await play(schedule, true)];
    expect(first.told.length).toBeGreaterThan(10);
    expect(second).toEqual(first);
  });

  it('can be written down and read again', async () => {
    const plan = await Plan.make(1, ['voting', 'push']);
    const numbers = Array.from({ length: 200 }, (_, number) => number);
    const schedules = numbers.map((number) => plan.schedule(number));
    const texts = schedules.map(formatSchedule);
    expect(texts.map(parseSchedule)).toEqual(schedules);
    expect(new Set(texts).size).toBe(texts.length);
    expect(() => parseSchedule('voting/1/nothing@3')).toThrow('there is no schedule');
  });

  it('is played for each crash point once', async () => {
    const faults = ['p1-crashes', 'a-crashes'];
    const plan = await Plan.make(1, ['voting'], faults);
    const points = Array.from({ length: plan.crashPoints }, (_, index) =>
      formatSchedule(plan.schedule(2 * index)),
    );
    expect(new Set(points).size).toBe(plan.crashPoints);
    for (const fault of faults) {
      const steps = points.filter((point) => point.includes(`${fault}@`));
      expect(steps).toHaveLength(plan.crashPoints / 2);
      expect(steps).toContain(`voting/1/${fault}@0`);
    }
  });
});
