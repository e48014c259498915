import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { intentOf, recordWith, replica } from '../../../test/support/repository-records.ts';
import { silentLogger } from '../../base/logger.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { MemoryDatabase } from '../store/memory-database.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { WriteRegistry } from '../transactions/write-registry.ts';
import { VirtualStorage } from '../upstream/storage-directory.ts';
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
  const context = { view, clock, writes, logger, metrics } as unknown as RelayContext;
  const virtualStorage = new VirtualStorage(
    'default',
    { replicationFactor: 3, minInSyncReplicas: 2 },
    [],
  );
  const options = { record: created.record, transaction: 't', virtualStorage, context };
  const ownerOfIntent = () => database.getById(created.record.id)?.intents[0]?.owner;
  return { clock, options, writes, ownerOfIntent };
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
