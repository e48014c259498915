import { describe, expect, test } from '@jest/globals';

import { estimatedEndMs } from './estimate.ts';
import type { NodeRecord } from './node-record.ts';

const minute = 60_000;
const time = (minutes: number) => new Date(minutes * minute).toISOString();

function done(fromMinutes: number, toMinutes: number): NodeRecord {
  const times = { startedAt: time(fromMinutes), doneAt: time(toMinutes) };
  return { name: '', phase: 'Done', storages: [], ...times };
}
const begun = (minutes: number): NodeRecord => ({
  name: '',
  phase: 'Cleared',
  storages: [],
  startedAt: time(minutes),
});
const waiting = (count: number): NodeRecord[] =>
  Array.from({ length: count }, () => ({ name: '', phase: 'Waiting', storages: [] }));

describe('the estimated end of a maintenance', () => {
  test('is not known before a node is done, nor when all are', () => {
    expect(estimatedEndMs([begun(0), ...waiting(3)], 2)).toBeUndefined();
    expect(estimatedEndMs([done(0, 4)], 2)).toBeUndefined();
  });

  test('takes the first for a measure of groups that follow', () => {
    expect(estimatedEndMs([done(0, 4), ...waiting(5)], 2)).toBe((4 + 3 * 4) * minute);
  });

  test('goes by how many went together so far, and by the mean of their times', () => {
    const records = [done(0, 4), done(4, 10), done(4, 8), done(4, 10), ...waiting(7)];
    expect(estimatedEndMs(records, 50)).toBe((10 + 3 * 5) * minute);
  });

  test('counts those that are under way as not done', () => {
    const records = [done(0, 4), begun(4), begun(4), ...waiting(2)];
    expect(estimatedEndMs(records, 50)).toBe((4 + 2 * 4) * minute);
  });
});
