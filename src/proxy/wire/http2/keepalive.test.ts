import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { Keepalive } from './keepalive.ts';

/** A peer that is watched with an interval of 20 s, and has 5 s to answer a ping. */
function watchPeer({ answers = true } = {}) {
  const clock = new ManualClock();
  const peer = { answers, received: 0 };
  const pingsAfterS: number[] = [];
  const silentAfterS: number[] = [];
  const seconds = () => clock.monotonicMs() / 1000;
  const keepalive = new Keepalive({
    received: () => peer.received,
    ping: (limitMs) => {
      pingsAfterS.push(seconds());
      return new Promise((resolve, reject) => {
        if (peer.answers) resolve((peer.received += 17));
        else clock.after(limitMs, () => reject(new Error('no answer')));
      });
    },
    clock,
    intervalMs: 20_000,
    limitMs: 5000,
    onSilent: () => silentAfterS.push(seconds()),
  });
  return { clock, peer, pingsAfterS, silentAfterS, keepalive };
}

describe('keepalive', () => {
  test('pings a peer that says nothing, as long as it answers', async () => {
    const { clock, pingsAfterS, silentAfterS } = watchPeer();
    await clock.advance(65_000);
    expect([pingsAfterS, silentAfterS]).toEqual([[20, 40, 60], []]);
  });

  test('does not ping a peer from which something has arrived since', async () => {
    const { clock, peer, pingsAfterS } = watchPeer();
    for (let second = 0; second < 60; second += 10) {
      peer.received += 1;
      await clock.advance(10_000);
    }
    expect(pingsAfterS).toEqual([]);
    await clock.advance(20_000);
    expect(pingsAfterS).toEqual([80]);
  });

  test('tells once that a peer shows no sign of life, and pings no more', async () => {
    const { clock, pingsAfterS, silentAfterS } = watchPeer({ answers: false });
    await clock.advance(200_000);
    expect([pingsAfterS, silentAfterS]).toEqual([[20], [25]]);
    expect(clock.pendingCount).toBe(0);
  });

  test('does nothing any more once it was stopped, not even about a ping under way', async () => {
    const { clock, keepalive, silentAfterS } = watchPeer({ answers: false });
    await clock.advance(21_000);
    keepalive.stop();
    await clock.advance(60_000);
    expect([silentAfterS, clock.pendingCount]).toEqual([[], 0]);
  });
});
