import { expect, test } from '@jest/globals';
import { Tally, type Ended } from './tally.ts';

function ended(options: Partial<Ended> & Pick<Ended, 'startMs' | 'endMs'>): Ended {
  return { kind: 'write', method: 'WriteRef', repository: 'a', result: 'OK', ...options };
}

test('counts calls, and failures by what failed how', () => {
  const tally = new Tally();
  tally.add(ended({ startMs: 0, endMs: 1 }));
  tally.add(ended({ startMs: 0, endMs: 1, kind: 'read', method: 'FindCommit' }));
  for (const result of ['UNAVAILABLE', 'ABORTED', 'UNAVAILABLE']) {
    tally.add(ended({ startMs: 0, endMs: 1, result }));
  }
  expect(tally.figures).toMatchObject({
    writes: 4,
    acknowledged: 1,
    reads: 1,
    failed: { 'WriteRef ABORTED': 1, 'WriteRef UNAVAILABLE': 2 },
  });
});

test('a refusal lasts until a write to the same repository is acknowledged', () => {
  const tally = new Tally();
  tally.add(ended({ startMs: 100, endMs: 150, result: 'UNAVAILABLE' }));
  tally.add(ended({ startMs: 200, endMs: 250, repository: 'b' }));
  tally.add(ended({ startMs: 300, endMs: 350, result: 'UNAVAILABLE' }));
  expect(tally.figures.longestRefusalMs).toBe(250);
  tally.add(ended({ startMs: 400, endMs: 460 }));
  expect(tally.figures.longestRefusalMs).toBe(360);
  expect(tally.figures.longestSilenceMs).toBe(210);
});
