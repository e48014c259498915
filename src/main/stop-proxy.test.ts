import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { silentLogger } from '../base/logger.ts';
import { takeLeave } from './stop-proxy.ts';

const policy = { lameDuckMs: 20_000, callsMs: 60_000 };

/** A proxy that takes its leave; `told` is what it did, with the second in which it did so. */
function leaving({ connections = 1, calls = 1, writes = 0, endsWhenCut = true } = {}) {
  const clock = new ManualClock();
  const hurry = new AbortController();
  const told: string[] = [];
  const note = (what: string) =>
    told.push(`${what} after ${Math.round(clock.monotonicMs() / 1000)} s`);
  const state = { connections, calls, writes };
  const left = takeLeave({
    policy,
    listener: {
      get connections() {
        return state.connections;
      },
      close: async () => void note('closed'),
      stop: async () => void note('dropped'),
    },
    calls: {
      get isIdle() {
        return state.calls === 0;
      },
      cut() {
        const cut = state.calls;
        note(`cut ${cut}`);
        if (endsWhenCut) state.calls = 0;
        return cut;
      },
    },
    writes: {
      get isIdle() {
        return state.writes === 0;
      },
    },
    onCut: (cut) => note(`counted ${cut}`),
    clock,
    logger: silentLogger,
    hurry: hurry.signal,
  }).then(() => note('gone'));
  return { clock, hurry, told, state, left };
}

describe('a proxy that takes its leave', () => {
  test('serves as before, then closes its port, and goes when the last client has gone', async () => {
    const { clock, told, state, left } = leaving();
    await clock.advance(19_900);
    expect(told).toEqual([]);
    await clock.advance(10_100);
    expect(told).toEqual(['closed after 20 s']);
    state.calls = 0;
    await clock.advance(5000);
    state.connections = 0;
    await clock.advance(100);
    await left;
    expect(told).toEqual(['closed after 20 s', 'dropped after 35 s', 'gone after 35 s']);
  });

  test('cuts the calls that outlive their time, and counts them', async () => {
    const { clock, told, left } = leaving({ calls: 3 });
    await clock.advance(90_000);
    await left;
    expect(told).toEqual([
      'closed after 20 s',
      'cut 3 after 80 s',
      'counted 3 after 80 s',
      'dropped after 82 s',
      'gone after 82 s',
    ]);
  });

  test('waits until writes are recorded whose clients have gone', async () => {
    const { clock, told, state, left } = leaving({ connections: 0, calls: 0, writes: 2 });
    await clock.advance(25_000);
    expect(told).toEqual(['closed after 20 s']);
    state.writes = 0;
    await clock.advance(100);
    await left;
    expect(told.at(-1)).toBe('gone after 25 s');
  });

  test('does not wait for ever for a write that cannot be recorded', async () => {
    const { clock, told, left } = leaving({ connections: 0, calls: 1, endsWhenCut: false });
    await clock.advance(200_000);
    await left;
    expect(told.at(-1)).toBe('gone after 96 s');
  });

  test('cuts its calls at once when it has to hurry, at whatever point it is', async () => {
    const { clock, told, hurry, left } = leaving();
    await clock.advance(1000);
    hurry.abort();
    await clock.advance(5000);
    await left;
    expect(told).toEqual([
      'closed after 1 s',
      'cut 1 after 1 s',
      'counted 1 after 1 s',
      'dropped after 3 s',
      'gone after 3 s',
    ]);
  });
});
