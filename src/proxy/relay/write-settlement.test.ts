import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { intentOf, recordWith, replica } from '../../../test/support/repository-records.ts';
import { silentLogger } from '../../base/logger.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import { MemoryDatabase } from '../store/memory-database.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { settleWrite } from '../transactions/record-changes.ts';
import { WriteRegistry } from '../transactions/write-registry.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { RepositoryView } from '../view/repository-view.ts';
import type { RelayContext } from './context.ts';
import { settle } from './write-settlement.ts';

/** A write of `proxy-1`, whose intent is in the record. */
async function start(parts: Partial<RepositoryRecord> = {}) {
  const clock = new ManualClock();
  const database = new MemoryDatabase({ clock });
  const created = database.create(recordWith({ intents: [intentOf('t')], ...parts }));
  if (created.kind === 'exists') throw new Error('there is a record already');
  const store = createMemoryStore({ clock, database });
  const outage = { failed() {}, worked() {} };
  const logger = silentLogger;
  const view = new RepositoryView({ store, owner: 'proxy-1', clock, logger, outage });
  await view.start();
  const writes = new WriteRegistry();
  const metrics = { underReplicatedWrite() {} };
  const owner = 'proxy-1';
  const context = { view, owner, clock, writes, logger, metrics } as unknown as RelayContext;
  const contents = new Map([
    ['a', 'x'],
    ['b', 'x'],
    ['c', 'x'],
  ]);
  const virtualStorage = {
    name: 'default',
    policy: { replicationFactor: 3, minInSyncReplicas: 2 },
    control: (storage: string) => ({ checksum: async () => contents.get(storage) }),
  } as unknown as VirtualStorage;
  const options = { record: created.record, transaction: 't', virtualStorage, context };
  const recordNow = () => {
    const record = database.getById(created.record.id);
    if (record === undefined) throw new Error('the record is gone');
    return record;
  };
  const ownerOfIntent = () => recordNow().intents[0]?.owner;
  const settleOther = (transaction: string) =>
    view.change(recordNow(), (current) => settleWrite(current, transaction, ['a', 'b', 'c']));
  return { clock, options, writes, contents, ownerOfIntent, recordNow, settleOther };
}

describe('a write that nobody can vouch for', () => {
  it('is refused at once, and left to others after a second: storages may still be at it', async () => {
    const { clock, options, writes, ownerOfIntent } = await start();
    expect(await settle({ kind: 'inDoubt' }, options)).toMatchObject({ kind: 'failed' });
    await clock.advance(999);
    expect(ownerOfIntent()).toBe('proxy-1');
    expect(writes.isHeld('t')).toBe(true);
    await clock.advance(1);
    expect(ownerOfIntent()).toBe('');
    expect(writes.isHeld('t')).toBe(false);
  });

  it('is left to others after a second too if its holders were overtaken', async () => {
    const replicas = [replica('a', 5n), replica('b', 5n), replica('c', 4n)];
    const { clock, options, ownerOfIntent } = await start({ replicas });
    const outcome = { kind: 'committed', reference: 'c', holders: ['c'] } as const;
    expect(await settle(outcome, options)).toEqual({
      kind: 'failed',
      reason: 'the write is on 0 of 2 required replicas',
    });
    await clock.advance(999);
    expect(ownerOfIntent()).toBe('proxy-1');
    await clock.advance(1);
    expect(ownerOfIntent()).toBe('');
  });
});

describe('a write that is judged by comparing contents', () => {
  const outcome = { kind: 'unverified', finished: ['a', 'b', 'c'], isCalledOff: false } as const;
  const recorded = { kind: 'recorded', reference: 'a', holders: ['a', 'b', 'c'] };

  it('is recorded at once if no other is in flight', async () => {
    const { options, recordNow } = await start();
    expect(await settle(outcome, options)).toEqual(recorded);
    expect(recordNow()).toMatchObject({ lsn: 6n, intents: [] });
  });

  it('leaves those behind that are different', async () => {
    const { options, contents } = await start();
    contents.set('b', 'y');
    expect(await settle(outcome, options)).toEqual({ ...recorded, holders: ['a', 'c'] });
  });

  it('tells that nothing has changed if the one that counts was refused', async () => {
    const { options } = await start();
    expect(await settle({ ...outcome, isCalledOff: true }, options)).toEqual({
      kind: 'unchanged',
      isCalledOff: true,
    });
  });

  it('leaves those behind that were lost, if the others had all asked and were refused', async () => {
    const { options, recordNow } = await start({ intents: [intentOf('t'), intentOf('other')] });
    expect(await settle({ kind: 'calledOff', unchanged: ['b', 'c'] }, options)).toEqual({
      kind: 'unchanged',
      isCalledOff: true,
    });
    expect(inSyncVoters(recordNow())).toEqual(['b', 'c']);
    expect(recordNow().primary).toBe('b');
  });

  it('has an unknown outcome if those that were refused had been overtaken', async () => {
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 4n)];
    const { options } = await start({ replicas });
    expect(await settle({ kind: 'calledOff', unchanged: ['b', 'c'] }, options)).toMatchObject({
      kind: 'failed',
    });
  });

  it('holds new writes back until the one in flight has ended, if that takes longer', async () => {
    const { clock, options, recordNow, settleOther } = await start({
      intents: [intentOf('t'), intentOf('other')],
    });
    const settling = settle(outcome, options);
    await clock.advance(190);
    expect(recordNow().barrier).toBeUndefined();
    await clock.advance(2000);
    expect(recordNow().barrier).toMatchObject({ owner: 'proxy-1' });
    await settleOther('other');
    await clock.advance(25);
    expect(await settling).toEqual(recorded);
    expect(recordNow()).toMatchObject({ lsn: 7n, intents: [] });
    expect(recordNow().barrier).toBeUndefined();
  });

  it('does not wait for one that only waits to be compared too', async () => {
    const { clock, options, recordNow } = await start({
      intents: [intentOf('t'), intentOf('u')],
    });
    const settling = Promise.all(
      ['t', 'u'].map((transaction) => settle(outcome, { ...options, transaction })),
    );
    await clock.advance(300);
    expect(await settling).toEqual([recorded, recorded]);
    expect(recordNow()).toMatchObject({ lsn: 7n, intents: [] });
    expect(recordNow().barrier).toBeUndefined();
  });

  it('is compared beside one that goes on, when all that was decided has run out', async () => {
    const { clock, options, recordNow } = await start({
      intents: [intentOf('t'), intentOf('other')],
    });
    const settling = settle(outcome, options);
    await clock.advance(3490);
    expect(recordNow().lsn).toBe(5n);
    await clock.advance(50);
    expect(await settling).toEqual(recorded);
    expect(recordNow().intents).toMatchObject([{ transaction: 'other' }]);
    expect(recordNow().barrier).toBeUndefined();
  });
});
