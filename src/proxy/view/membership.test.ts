import { describe, expect, it } from '@jest/globals';
import { ignoreChanges } from '../../../test/support/ignore-changes.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { intentOf } from '../../../test/support/repository-records.ts';
import { MemoryDatabase } from '../store/memory-database.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { Membership } from './membership.ts';

/** Two proxies; the first one's lease is held, and its connection can be cut. Timers may be early. */
async function start(earlyMs = 0) {
  const clock = new ManualClock();
  const timers = {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    after: (delayMs: number, callback: () => void) => clock.after(delayMs - earlyMs, callback),
  };
  const database = new MemoryDatabase({ clock });
  const outage = { failed() {}, worked() {} };
  const join = async (owner: string) => {
    const store = createMemoryStore({ clock, database });
    const lapses: number[] = [];
    const onLapse = (leftMs: number) => lapses.push(leftMs);
    const membership = new Membership({ store, owner, clock: timers, outage, onLapse });
    await store.watch(ignoreChanges);
    await membership.start();
    return { store, membership, lapses };
  };
  return { clock, join, first: await join('proxy-1') };
}

describe('a lease', () => {
  it('is held, in the same term, as long as it is renewed in time', async () => {
    const { clock, first } = await start();
    const { membership } = first;
    const term = membership.leaseTerm;
    await clock.advance(60_000);
    expect(membership.hasHeldLeaseSince(term)).toBe(true);
    await membership.stop();
  });

  it('is not relied on after four fifths of its time, and comes back in another term', async () => {
    const { clock, first } = await start();
    const { membership, store } = first;
    const term = membership.leaseTerm;
    store.disconnect();
    await clock.advance(2399);
    expect(membership.hasHeldLeaseSince(term)).toBe(true);
    await clock.advance(1);
    expect(membership.hasHeldLeaseSince(term)).toBe(false);
    store.reconnect();
    await clock.advance(750);
    expect(membership.holdsLease).toBe(true);
    expect(membership.hasHeldLeaseSince(term)).toBe(false);
    expect(membership.hasHeldLeaseSince(membership.leaseTerm)).toBe(true);
    await membership.stop();
  });

  it('stays in its term when the store is away for less than that', async () => {
    const { clock, first } = await start();
    const { membership, store } = first;
    const term = membership.leaseTerm;
    store.disconnect();
    await clock.advance(1600);
    store.reconnect();
    await clock.advance(10_000);
    expect(membership.hasHeldLeaseSince(term)).toBe(true);
    await membership.stop();
  });

  it('is back a fifth of a second after the store is, however long that was away', async () => {
    const { clock, first } = await start();
    const { membership, store } = first;
    store.disconnect();
    await clock.advance(60_100);
    store.reconnect();
    await clock.advance(200);
    expect(membership.holdsLease).toBe(true);
    await membership.stop();
  });

  it('is over at once for a proxy that stops', async () => {
    const { clock, first } = await start();
    await first.membership.stop();
    expect(first.membership.holdsLease).toBe(false);
    await clock.advance(10_000);
    expect(first.lapses).toEqual([]);
  });

  it('tells when it lapses, once each time, and how long the others still count on it', async () => {
    const { clock, first } = await start();
    const { membership, store, lapses } = first;
    await clock.advance(10_000);
    expect(lapses).toEqual([]);
    for (const awayMs of [20_000, 5000]) {
      store.disconnect();
      await clock.advance(awayMs);
      store.reconnect();
      await clock.advance(1000);
    }
    expect(lapses).toEqual([600, 600]);
    await membership.stop();
  });

  it('does not lapse while it is held, though a timer ends too early', async () => {
    const { clock, first } = await start(0.5);
    first.store.disconnect();
    await clock.advance(2399.9);
    expect([first.membership.holdsLease, first.lapses]).toEqual([true, []]);
    await clock.advance(1);
    expect(first.membership.holdsLease).toBe(false);
    expect(first.lapses).toHaveLength(1);
    await first.membership.stop();
  });

  it('leaves a proxy no time that stood still until others may take it for dead', async () => {
    const { clock, first } = await start();
    first.store.disconnect();
    clock.standStill(5000);
    await clock.advance(1);
    expect(first.lapses).toEqual([0]);
    await first.membership.stop();
  });
});

describe('the owner of a write', () => {
  it('is gone when its lease has run out, and never oneself', async () => {
    const { clock, join, first } = await start();
    const second = await join('proxy-2');
    await first.membership.refresh();
    expect(first.membership.live).toEqual(new Set(['proxy-1', 'proxy-2']));
    const own = intentOf('t', { owner: 'proxy-1' });
    const others = intentOf('t', { owner: 'proxy-2' });
    expect(first.membership.isAbandoned(others)).toBe(false);
    second.store.disconnect();
    await clock.advance(4000);
    expect(first.membership.isAbandoned(others)).toBe(true);
    expect(first.membership.isAbandoned(own)).toBe(false);
    await first.membership.stop();
  });
});

describe('who is alive', () => {
  it('is what the store says to the latest question, in whatever order its answers come', async () => {
    const clock = new ManualClock();
    const answers: Deferred<ReadonlyMap<string, { readonly remainingMs: number }>>[] = [];
    const membership = new Membership({
      store: Object.assign(createMemoryStore({ clock }), {
        liveOwners() {
          const answer = deferred<ReadonlyMap<string, { readonly remainingMs: number }>>();
          answers.push(answer);
          return answer.promise;
        },
      }),
      owner: 'proxy-1',
      clock,
      outage: { failed() {}, worked() {} },
    });
    const questions = [membership.refresh(), membership.refresh()];
    const lives = { remainingMs: 3000 };
    answers[1]?.resolve(new Map([['proxy-2', lives]]));
    await questions[1];
    answers[0]?.resolve(new Map());
    await Promise.all(questions);
    expect(membership.isAbandoned({ owner: 'proxy-2' })).toBe(false);
  });
});
