import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { intentOf, recordWith } from '../../../test/support/repository-records.ts';
import { silentLogger } from '../../base/logger.ts';
import { StoreUnavailableError } from '../store/control-store.ts';
import { MemoryDatabase } from '../store/memory-database.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { RepositoryView } from '../view/repository-view.ts';
import type { RelayContext } from './context.ts';
import { registerIntent, type IntentOutcome } from './write-intent.ts';

/** Registers an intent of `proxy-1` while its lease and the way to the store can be taken away. */
async function start() {
  const clock = new ManualClock();
  const database = new MemoryDatabase({ clock });
  const created = database.create(recordWith());
  if (created.kind === 'exists') throw new Error('there is a record already');
  const store = createMemoryStore({ clock, database });
  const lease = { holdsLease: true, leaseTerm: 1 };
  const way: { broken?: 'there' | 'back' } = {};
  const away = new StoreUnavailableError(new Error('it is away'));
  const swap = store.compareAndSwap.bind(store);
  store.compareAndSwap = async (next) => {
    if (way.broken === 'there') throw away;
    const outcome = await swap(next);
    if (way.broken === 'back') throw away;
    return outcome;
  };
  const outage = { failed() {}, worked() {} };
  const logger = silentLogger;
  const view = new RepositoryView({ store, owner: 'proxy-1', clock, logger, outage });
  await view.start();
  const context = { view, clock, membership: lease } as unknown as RelayContext;
  const register = (waitsForStore: boolean) => {
    const options = { primary: 'a', minInSyncReplicas: 2, waitsForStore };
    const outcomes: IntentOutcome[] = [];
    const done = registerIntent(created.record, intentOf('t'), options, context);
    void done.then((outcome) => outcomes.push(outcome));
    return outcomes;
  };
  const intents = () => database.getById(created.record.id)?.intents;
  return { clock, lease, way, register, intents };
}

describe('an intent that waits for the store', () => {
  it('is taken when the lease is back, in its new term', async () => {
    const { clock, lease, register, intents } = await start();
    lease.holdsLease = false;
    const outcomes = register(true);
    await clock.advance(10_000);
    expect(outcomes).toEqual([]);
    expect(intents()).toEqual([]);
    Object.assign(lease, { holdsLease: true, leaseTerm: 2 });
    await clock.advance(25);
    expect(outcomes).toMatchObject([{ kind: 'durable', leaseTerm: 2, voters: ['a', 'b', 'c'] }]);
    expect(intents()).toMatchObject([{ transaction: 't' }]);
  });

  it.each(['there', 'back'] as const)('is taken once, if the way %s was broken', async (broken) => {
    const { clock, way, register, intents } = await start();
    way.broken = broken;
    const outcomes = register(true);
    await clock.advance(1000);
    expect(outcomes).toEqual([]);
    delete way.broken;
    await clock.advance(25);
    expect(outcomes).toMatchObject([{ kind: 'durable' }]);
    expect(intents()).toMatchObject([{ transaction: 't' }]);
  });

  it('is refused after 15 s', async () => {
    const { clock, lease, register } = await start();
    lease.holdsLease = false;
    const outcomes = register(true);
    await clock.advance(15_000);
    expect(outcomes).toEqual([]);
    await clock.advance(50);
    expect(outcomes).toMatchObject([{ kind: 'refused', mayRouteAgain: false }]);
  });
});

describe('an intent of a write that can be routed again', () => {
  it('is refused at once without a lease, and without a store', async () => {
    const { clock, lease, way, register } = await start();
    lease.holdsLease = false;
    const fenced = register(false);
    await clock.advance(0);
    expect(fenced).toMatchObject([{ kind: 'refused', mayRouteAgain: true }]);
    lease.holdsLease = true;
    way.broken = 'there';
    const cutOff = register(false);
    await clock.advance(0);
    expect(cutOff).toMatchObject([{ kind: 'refused', mayRouteAgain: false }]);
  });
});
