import { describe, expect, test } from '@jest/globals';
import { shareOf, workerCount } from './worker-count.ts';

describe('the number of workers', () => {
  test('is one, what the configuration says, or what the environment says', () => {
    expect(workerCount({}, {})).toBe(1);
    expect(workerCount({ workers: 2 }, {})).toBe(2);
    expect(workerCount({ workers: 2 }, { PROXY_WORKERS: '4' })).toBe(4);
  });

  test.each(['0', '9', '1.5', 'two', '', '-1'])('cannot be "%s"', (text) => {
    expect(() => workerCount({}, { PROXY_WORKERS: text })).toThrow(/a whole one from 1 to 8/);
  });

  test('divides what a pod may use, and leaves each enough', () => {
    expect(shareOf(1)).toEqual({ poolSize: 10, parallelRepairs: 4 });
    expect(shareOf(2)).toEqual({ poolSize: 5, parallelRepairs: 2 });
    expect(shareOf(8)).toEqual({ poolSize: 3, parallelRepairs: 2 });
  });
});
