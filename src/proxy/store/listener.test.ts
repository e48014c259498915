import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { deferred } from '../../base/deferred.ts';
import { WatchRecorder } from './conformance/support.ts';
import type { ListenSession } from './listen-session.ts';
import { Listener, type ListenerOptions } from './listener.ts';
import { LogRecorder } from './testing.ts';

const acknowledgement = { kind: 'acknowledged', owner: 'proxy-1', id: 1n, version: 2n } as const;

describe('the listener', () => {
  test('connects when the first watcher comes, once for all', async () => {
    const { listener, attempts } = setUp();
    expect(attempts).toHaveLength(0);
    const watchers = [new WatchRecorder(), new WatchRecorder()];
    await Promise.all(watchers.map((watcher) => listener.watch(watcher)));
    await listener.watch(new WatchRecorder());
    expect(attempts).toHaveLength(1);
    expect(watchers.map(({ events }) => events)).toEqual([
      [{ kind: 'reset' }],
      [{ kind: 'reset' }],
    ]);
    await listener.stop();
  });

  test('drops what it hears before the reset', async () => {
    const { listener, clock } = setUp();
    const watcher = new WatchRecorder();
    const watching = listener.watch(watcher);
    listener.hear(acknowledgement);
    await clock.advance(0);
    await watching;
    listener.hear(acknowledgement);
    expect(watcher.events).toEqual([{ kind: 'reset' }, acknowledgement]);
    await listener.stop();
  });

  test('resets everyone when it cannot tell what it heard', async () => {
    const { listener } = setUp();
    const watcher = new WatchRecorder();
    await listener.watch(watcher);
    listener.hear(undefined);
    expect(watcher.events).toEqual([{ kind: 'reset' }, { kind: 'reset' }]);
    await listener.stop();
  });

  test('waits longer after each failure, and begins anew after a success', async () => {
    const { listener, clock, attempts, fail } = setUp();
    const watcher = new WatchRecorder();
    await listener.watch(watcher);
    fail(4);
    attempts[0]?.lose();
    await clock.advance(60_000);
    attempts.at(-1)?.lose();
    await clock.advance(60_000);
    // Jitter is half way: none. The last attempt follows a loss, as the second does.
    const waits = attempts.slice(1).map(({ atMs }, index) => atMs - (attempts[index]?.atMs ?? 0));
    expect(waits).toEqual([100, 100, 200, 400, 400, 60_000 - 1200 + 100]);
    await listener.stop();
  });

  test('tries once a second at least, however long the server is away', async () => {
    const { listener, clock, attempts, fail } = setUp({});
    await listener.watch(new WatchRecorder());
    fail(Number.POSITIVE_INFINITY);
    attempts[0]?.lose();
    await clock.advance(60_000);
    const before = attempts.length;
    await clock.advance(60_000);
    expect(attempts.length - before).toBeGreaterThanOrEqual(60);
    await listener.stop();
  });

  test('tells of a loss once, however many attempts fail after it', async () => {
    const { listener, clock, attempts, fail, logger } = setUp();
    const watcher = new WatchRecorder();
    await listener.watch(watcher);
    fail(10);
    attempts[0]?.lose();
    await clock.advance(60_000);
    expect(watcher.events.map(({ kind }) => kind)).toEqual(['reset', 'disconnected', 'reset']);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'listening to the control store',
      'the listening connection is lost; connecting again',
      'the control store cannot be listened to; trying again',
      'listening to the control store',
    ]);
    await listener.stop();
  });

  test('rejects a watcher that has waited for too long, with the reason, and forgets it', async () => {
    const { listener, clock, fail } = setUp();
    fail(20);
    const watcher = new WatchRecorder();
    await Promise.all([
      expect(listener.watch(watcher)).rejects.toThrow('no server'),
      clock.advance(1000),
    ]);
    await clock.advance(60_000);
    expect(watcher.events).toEqual([]);
    await listener.stop();
  });

  test('asks nothing of a connection that is lost', async () => {
    const { listener, clock, attempts, fail } = setUp();
    await expect(listener.query({ text: 'SELECT 1' })).rejects.toThrow(/not being heard/);
    await listener.watch(new WatchRecorder());
    await listener.query({ text: 'SELECT 1' });
    fail(1);
    attempts[0]?.lose();
    await clock.advance(0);
    await expect(listener.query({ text: 'SELECT 1' })).rejects.toThrow(/not being heard/);
    expect(attempts[0]?.asked).toEqual(['SELECT 1']);
    await listener.stop();
  });

  test('survives a watcher that throws', async () => {
    const { listener, logger } = setUp();
    const watcher = new WatchRecorder();
    await listener.watch(
      Object.assign(new WatchRecorder(), {
        onAcknowledged: () => {
          throw new Error('oops');
        },
      }),
    );
    await listener.watch(watcher);
    listener.hear(acknowledgement);
    expect(watcher.events).toEqual([{ kind: 'reset' }, acknowledgement]);
    expect(logger.lines.at(-1)?.message).toBe('a watcher of the control store failed');
    await listener.stop();
  });

  test('stops at once while it waits to try again, and takes no watcher any more', async () => {
    const { listener, clock, attempts, fail } = setUp();
    await listener.watch(new WatchRecorder());
    fail(100);
    attempts[0]?.lose();
    await clock.advance(500);
    await listener.stop();
    await listener.stop();
    const made = attempts.length;
    await clock.advance(60_000);
    expect(attempts).toHaveLength(made);
    await expect(listener.watch(new WatchRecorder())).rejects.toThrow('stopped');
  });
});

/** One connection that the listener has tried to make. */
interface Attempt {
  readonly atMs: number;
  readonly asked: string[];
  lose(): void;
}

function setUp(
  waits: Pick<ListenerOptions, 'backoff'> = { backoff: { initialMs: 100, maxMs: 400 } },
) {
  const clock = new ManualClock();
  const logger = new LogRecorder();
  const attempts: Attempt[] = [];
  let failures = 0;
  const openSession = async (): Promise<ListenSession> => {
    const lost = deferred<Error>();
    const asked: string[] = [];
    const lose = () => lost.resolve(new Error('lost'));
    attempts.push({ atMs: clock.monotonicMs(), asked, lose });
    if (failures > 0) {
      failures -= 1;
      throw new Error('no server');
    }
    return {
      lost: lost.promise,
      async query({ text }) {
        asked.push(text);
      },
      async stop() {
        lose();
      },
    };
  };
  const listener = new Listener({
    openSession,
    clock,
    logger,
    random: { next: () => 0.5 },
    callMs: 1000,
    ...waits,
    onLost: () => {},
  });
  /** Lets the next attempts fail. */
  const fail = (count: number) => {
    failures = count;
  };
  return { listener, clock, logger, attempts, fail };
}
