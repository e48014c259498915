import { expect, test } from '@jest/globals';
import { Pace } from './pace.ts';

test('what is simulated is made shorter by as much as what is real counts longer', () => {
  const pace = new Pace(4);
  expect(pace.realMs(120)).toBe(30_000);
  expect(pace.roundMinutes(pace.realMs(120))).toBe(2);
});

test.each([0, 0.5, -1, Number.NaN])('there is no pace of %d', (speed) => {
  expect(() => new Pace(speed)).toThrow('1 or more');
});
