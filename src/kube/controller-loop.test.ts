import { describe, expect, test } from '@jest/globals';

import { ManualClock } from '../../test/support/manual-clock.ts';
import { deferred } from '../base/deferred.ts';
import { silentLogger } from '../base/logger.ts';
import { startControllerLoop, type Reconcile } from './controller-loop.ts';
import { WorkQueue } from './work-queue.ts';

function start(reconcile: Reconcile) {
  const clock = new ManualClock();
  const backoff = { initialMs: 100, maxMs: 1000, jitter: 0 };
  const queue = new WorkQueue({ clock, random: { next: () => 0 }, backoff });
  const outcomes: string[] = [];
  const observer = { reconciled: (outcome: string) => void outcomes.push(outcome) };
  const loop = startControllerLoop({ queue, reconcile, clock, logger: silentLogger, observer });
  return { clock, queue, loop, outcomes };
}

describe('the controller loop', () => {
  test('looks again when the reconcile says so', async () => {
    let runs = 0;
    const { clock, queue, loop, outcomes } = start(async () => {
      runs += 1;
      return runs === 1 ? { kind: 'again', afterMs: 5000 } : { kind: 'done' };
    });
    queue.add('a');
    await clock.advance(4999);
    expect(runs).toBe(1);
    await clock.advance(60_000);
    expect(outcomes).toEqual(['again', 'done']);
    await loop.stop();
  });

  test('tries again after a failure, later each time, until it succeeds', async () => {
    const times: number[] = [];
    const { clock, queue, loop, outcomes } = start(async () => {
      times.push(clock.monotonicMs());
      if (times.length < 4) throw new Error('not yet');
      return { kind: 'done' };
    });
    queue.add('a');
    await clock.advance(60_000);
    expect(times).toEqual([0, 100, 300, 700]);
    expect(outcomes).toEqual(['failed', 'failed', 'failed', 'done']);
    await loop.stop();
  });

  test('works on different keys at the same time and on one key never', async () => {
    const gate = deferred<void>();
    const started: string[] = [];
    const { clock, queue, loop } = start(async (key) => {
      started.push(key);
      await gate.promise;
      return { kind: 'done' };
    });
    for (const key of ['a', 'b', 'a']) queue.add(key);
    await clock.advance(1);
    queue.add('a');
    await clock.advance(1);
    expect(started).toEqual(['a', 'b']);
    gate.resolve();
    await clock.advance(1);
    expect(started).toEqual(['a', 'b', 'a']);
    await loop.stop();
  });

  test('stops after what is under way, which is told by its signal', async () => {
    let ended = false;
    const { clock, queue, loop } = start(async (_key, { signal }) => {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      ended = true;
      return { kind: 'done' };
    });
    queue.add('a');
    await clock.advance(1);
    await loop.stop();
    expect(ended).toBe(true);
  });
});
