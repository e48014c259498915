import { describe, expect, it } from '@jest/globals';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { intentOf } from '../../../test/support/repository-records.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { StoreUnavailableError } from '../store/control-store.ts';
import { Settler } from './settler.ts';
import { startRepairing } from './testing.ts';

/** A repository whose storages show what `contents` say, and whose writes are to be settled. */
async function start(
  parts: Partial<RepositoryRecord>,
  contents: Readonly<Record<string, string>> = {},
  late: readonly string[] = [],
) {
  const repairing = await startRepairing(parts, late);
  const { clock, store } = repairing.options;
  const logger = new RecordingLogger();
  const control = (storage: string) => ({
    async fingerprint() {
      const content = contents[storage];
      if (content === undefined) throw new Error('it cannot be reached');
      return content;
    },
    async remove() {},
  });
  const options = { ...repairing.options, storages: { get: () => ({ control }) }, logger };
  /** Whose turn it is though nothing has waited for the interval. */
  const rechecks = async () => {
    const turns = await store.verifications.take({ intervalMs: 1e9, leaseMs: 1e9, limit: 9 });
    return turns.map(({ record }) => record.id);
  };
  return { ...repairing, options, clock, logger, rechecks };
}

describe('a creation that nobody has finished', () => {
  it('is taken back when its owner is gone', async () => {
    const intents = [intentOf('t', { owner: 'gone', kind: 'creation' })];
    const { record, current, options } = await start({ intents });
    await new Settler(options).settle(record);
    expect(current()).toBeUndefined();
  });

  it('stays when its owner has started a moment ago', async () => {
    const intents = [intentOf('t', { owner: 'proxy-2', kind: 'creation' })];
    const { record, current, options } = await start({ intents }, {}, ['proxy-2']);
    await new Settler(options).settle(record);
    expect(current()).toEqual(record);
  });
});

describe('writes whose owner is gone', () => {
  const intents = [intentOf('t', { owner: 'gone' })];
  const equal = { a: 'new', b: 'new', c: 'new' };

  it('stay as they are while no storage can tell what it holds', async () => {
    const { record, current, options, clock, rechecks } = await start({ intents });
    await new Settler(options).settle(record);
    expect(current()).toMatchObject({ intents, epoch: record.epoch, lsn: record.lsn });
    expect(current()?.barrier).toBeUndefined();
    await clock.advance(30_000);
    expect(await rechecks()).toEqual([]);
  });

  it('leave those in sync that are equal, which are verified half a minute later', async () => {
    const contents = { ...equal, c: 'old' };
    const { record, current, options, clock, rechecks } = await start({ intents }, contents);
    await new Settler(options).settle(record);
    expect(current()).toMatchObject({
      epoch: 2n,
      lsn: 6n,
      intents: [],
      replicas: [{ lsn: 6n }, { lsn: 6n }, { storage: 'c', lsn: 5n }],
    });
    await clock.advance(29_999);
    expect(await rechecks()).toEqual([]);
    await clock.advance(1);
    expect(await rechecks()).toEqual([record.id]);
  });

  it('are settled though the store could not note that they are to be verified', async () => {
    const { record, current, options, logger } = await start({ intents }, equal);
    const store = {
      remove: () => Promise.reject(new Error('nothing is removed')),
      verifications: {
        recheck: () => Promise.reject(new StoreUnavailableError(new Error('it is away'))),
      },
    };
    await new Settler({ ...options, store }).settle(record);
    expect(current()).toMatchObject({ epoch: 2n, intents: [] });
    expect(logger.lines.join()).toContain('what is settled is not verified again soon');
  });
});
