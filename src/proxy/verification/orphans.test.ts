import { describe, expect, it } from '@jest/globals';
import { recordWith, replica } from '../../../test/support/repository-records.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { judgeFound } from './orphans.ts';

const dayMs = 24 * 3_600_000;
const nowMs = 100 * dayMs;
const circumstances = { virtualStorage: 'default', storage: 'c', freshId: 50n, nowMs };
const old = nowMs - dayMs - 1;
const path = '@cluster/repositories/6b/86/1';

function judge(
  found: { readonly path?: string; readonly modifiedAtMs?: number | undefined },
  ...records: readonly RepositoryRecord[]
) {
  const whole = { path, modifiedAtMs: old, ...found };
  return judgeFound(whole, new Map(records.map((record) => [record.id, record])), circumstances);
}

describe('a repository on a disk', () => {
  it.each(['voter', 'learner', 'leaving'] as const)('is no orphan if it is a %s', (role) => {
    expect(judge({}, recordWith({ replicas: [replica('a', 5n), replica('c', 3n, role)] }))).toBe(
      undefined,
    );
  });

  it('is an orphan that can go if no record has its id, and it is a day old', () => {
    expect(judge({})).toEqual({ path, modifiedAtMs: old, keptBecause: undefined });
  });

  it.each([
    ['it was just changed', { modifiedAtMs: nowMs - dayMs + 1 }, [], 'within the last day'],
    ['nobody tells how old it is', { modifiedAtMs: undefined }, [], 'how old'],
    [
      'its id was never given out',
      { path: '@cluster/repositories/6b/86/50' },
      [],
      'never given out',
    ],
    ['it is an object pool', { path: '@cluster/pools/6b/86/1' }, [], 'object pool'],
    ['it is of another kind', { path: '@hashed/6b/86/1.git' }, [], 'no cluster of this kind'],
    ['it is what Gitaly keeps', { path: '+gitaly/tmp/1' }, [], 'no cluster of this kind'],
    ['it lies in another one', { path: `${path}/sub/1` }, [], 'no cluster of this kind'],
    [
      'the record has no replica here',
      {},
      [recordWith({ replicas: [replica('a', 5n)] })],
      'no replica here',
    ],
    [
      'the record is of another virtual storage',
      {},
      [recordWith({ virtualStorage: 'other' })],
      'no replica here',
    ],
    ['the record has another path', {}, [recordWith({ replicaPath: 'x' })], 'under another path'],
  ])('stays if %s', (_what, found, records, reason) => {
    expect(judge(found, ...records)?.keptBecause).toContain(reason);
  });
});
