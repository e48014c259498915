import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';

import { ManualClock } from '../../test/support/manual-clock.ts';
import { seededRandom } from '../base/random.ts';
import { WorkQueue } from './work-queue.ts';

function newQueue() {
  const clock = new ManualClock();
  const backoff = { initialMs: 100, maxMs: 1000, jitter: 0 };
  return { clock, queue: new WorkQueue({ clock, random: seededRandom(1), backoff }) };
}

describe('the work queue', () => {
  test('gives a key out once, however often it was added', async () => {
    const { queue } = newQueue();
    queue.add('a');
    queue.add('b');
    queue.add('a');
    expect(await queue.take()).toBe('a');
    expect(await queue.take()).toBe('b');
    expect(queue.depth).toBe(0);
  });

  test('hands a key to one who waits already', async () => {
    const { queue } = newQueue();
    const taken = queue.take();
    queue.add('a');
    expect(await taken).toBe('a');
  });

  test('keeps a key that is added while it is worked on until it is done', async () => {
    const { queue } = newQueue();
    queue.add('a');
    await queue.take();
    queue.add('a');
    expect(queue.depth).toBe(0);
    queue.done('a');
    expect(await queue.take()).toBe('a');
  });

  test('adds a delayed key when it is due', async () => {
    const { queue, clock } = newQueue();
    queue.addAfter('a', 500);
    await clock.advance(499);
    expect(queue.depth).toBe(0);
    await clock.advance(1);
    expect(queue.depth).toBe(1);
  });

  test('counts the earliest of several delays', async () => {
    const { queue, clock } = newQueue();
    queue.addAfter('a', 500);
    queue.addAfter('a', 100);
    queue.addAfter('a', 900);
    await clock.advance(100);
    expect(await queue.take()).toBe('a');
    queue.done('a');
    await clock.advance(10_000);
    expect(queue.depth).toBe(0);
  });

  test('drops a delay when the key is added at once', async () => {
    const { queue, clock } = newQueue();
    queue.addAfter('a', 500);
    queue.add('a');
    queue.done((await queue.take()) ?? '');
    await clock.advance(500);
    expect(queue.depth).toBe(0);
  });

  test('waits longer after each failure in a row, up to a limit', async () => {
    const { queue, clock } = newQueue();
    for (const delayMs of [100, 200, 400, 800, 1000, 1000]) {
      queue.addRateLimited('a');
      await clock.advance(delayMs - 1);
      expect(queue.depth).toBe(0);
      await clock.advance(1);
      expect(await queue.take()).toBe('a');
      queue.done('a');
    }
    queue.forget('a');
    queue.addRateLimited('a');
    await clock.advance(100);
    expect(queue.depth).toBe(1);
  });

  test('lets those who wait go when it stops, and takes nothing more', async () => {
    const { queue, clock } = newQueue();
    const taken = queue.take();
    queue.addAfter('a', 1);
    queue.stop();
    expect(await taken).toBeUndefined();
    await clock.advance(10);
    queue.add('b');
    expect(await queue.take()).toBeUndefined();
    expect(clock.pendingCount).toBe(0);
  });

  test('never gives out a key twice at a time, and loses no addition', async () => {
    const step = fc.record({
      what: fc.constantFrom('add' as const, 'take' as const, 'done' as const),
      key: fc.constantFrom('a', 'b', 'c'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { queue } = newQueue();
        const owed = new Set<string>();
        const running = new Set<string>();
        for (const { what, key } of steps) {
          if (what === 'add') {
            queue.add(key);
            owed.add(key);
          } else if (what === 'done' && running.delete(key)) {
            queue.done(key);
          } else if (what === 'take' && queue.depth > 0) {
            const taken = (await queue.take()) ?? '';
            expect(running.has(taken)).toBe(false);
            running.add(taken);
            owed.delete(taken);
          }
        }
        for (const key of running) queue.done(key);
        const rest = new Set<string | undefined>();
        while (queue.depth > 0) rest.add(await queue.take());
        expect(rest).toEqual(owed);
      }),
    );
  });
});
