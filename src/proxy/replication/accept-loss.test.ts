import { describe, expect, it } from '@jest/globals';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { intentOf, replica } from '../../../test/support/repository-records.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { takeIntent } from '../transactions/record-changes.ts';
import { acceptLoss } from './accept-loss.ts';
import { startRepairing } from './testing.ts';

/** `a` and `b` are in sync, `c` is 2 writes behind; only the storages in `answering` show what they hold. */
async function start(
  answering: readonly string[],
  parts: Partial<RepositoryRecord> = {},
  isSettling = false,
) {
  const behind = [replica('a', 5n), replica('b', 5n), replica('c', 3n)];
  const repairing = await startRepairing({ replicas: behind, ...parts });
  const logger = new RecordingLogger();
  const asked: string[] = [];
  const virtualStorage = {
    name: 'default',
    isSettling: () => isSettling,
    control: (storage: string) => ({
      async checksum() {
        asked.push(storage);
        if (!answering.includes(storage)) throw new Error('it cannot be reached');
        return `checksum of ${storage}`;
      },
    }),
  };
  const accept = (storage: string) =>
    acceptLoss(repairing.record, storage, { ...repairing.options, virtualStorage, logger });
  return { ...repairing, accept, asked, logger };
}

describe('a replica that a person declares to be right', () => {
  it('is the only one in sync, and the primary of a new epoch', async () => {
    const { accept, current, logger } = await start(['c']);
    expect(await accept('c')).toEqual({ kind: 'done' });
    expect(current()).toMatchObject({
      primary: 'c',
      epoch: 2n,
      lsn: 6n,
      replicas: [replica('a', 5n), replica('b', 5n), replica('c', 6n)],
      intents: [],
    });
    expect(current()?.barrier).toBeUndefined();
    expect(logger.entries).toEqual([
      {
        level: 'warn',
        message: 'a person has declared a replica to be right; what it lacks is given up',
        fields: expect.objectContaining({
          storage: 'c',
          epoch: 2n,
          before: ['a 5', 'b 5', 'c 3'],
          givenUp: 2n,
          inDoubt: 0,
          checksum: 'checksum of c',
        }),
      },
    ]);
  });

  it('takes the place of others in sync, if it is in sync itself', async () => {
    const { accept, current } = await start(['a', 'b', 'c']);
    expect(await accept('b')).toEqual({ kind: 'done' });
    expect(current()).toMatchObject({ primary: 'b', epoch: 2n, lsn: 6n });
    expect(current()?.replicas).toEqual([replica('a', 5n), replica('b', 6n), replica('c', 3n)]);
  });

  it('ends the writes of the dead, and fences those that were routed before', async () => {
    const intents = [intentOf('t', { owner: 'gone' })];
    const { accept, current } = await start(['c'], { intents });
    expect(await accept('c')).toEqual({ kind: 'done' });
    const record = current();
    if (record === undefined) throw new Error('the record is gone');
    expect(record.intents).toEqual([]);
    const limits = { primary: 'a', minInSyncReplicas: 1, nowMs: 0 };
    const late = takeIntent(record, intentOf('late'), limits);
    expect(late).toEqual({ kind: 'refuse', reason: 'fenced' });
  });

  it('waits for writes in flight', async () => {
    const { accept, current, change, options } = await start(['c'], { intents: [intentOf('t')] });
    const accepting = accept('c');
    await options.clock.advance(100);
    const waiting = current();
    if (waiting === undefined) throw new Error('the record is gone');
    expect(waiting.primary).toBe('a');
    change({ ...waiting, intents: [] });
    await options.clock.advance(100);
    expect(await accepting).toEqual({ kind: 'done' });
    expect(current()?.primary).toBe('c');
  });

  it('needs nothing more when it is so already', async () => {
    const { accept, current, record } = await start(['c'], {
      primary: 'c',
      replicas: [replica('a', 4n), replica('c', 5n)],
    });
    expect(await accept('c')).toEqual({ kind: 'done' });
    expect(current()).toEqual(record);
  });
});

describe('a replica is not declared to be right', () => {
  const unchanged = { primary: 'a', epoch: 1n, lsn: 5n };

  it('while one that is in sync can be had', async () => {
    const { accept, current } = await start(['b', 'c']);
    expect(await accept('c')).toEqual({
      kind: 'refused',
      reason:
        'nothing has to be lost, since these are in sync and answer: b. ' +
        'If their contents are damaged, take them down first',
    });
    expect(current()).toMatchObject(unchanged);
    expect(current()?.barrier).toBeUndefined();
  });

  it('if its storage does not show it', async () => {
    const { accept, current } = await start([]);
    expect(await accept('c')).toEqual({
      kind: 'refused',
      reason: 'storage c does not show that it has the repository: it cannot be reached',
    });
    expect(current()).toMatchObject(unchanged);
  });

  it('if it was never in sync, or is not there', async () => {
    const replicas = [replica('a', 5n), replica('c', -1n, 'learner'), replica('d', 5n, 'leaving')];
    const { accept, current, asked } = await start(['c', 'd'], { replicas });
    expect(await accept('c')).toEqual({
      kind: 'refused',
      reason: 'the replica on c has never been in sync: nobody can tell what it holds',
    });
    for (const storage of ['d', 'e']) {
      const reason = `storage ${storage} has no replica of the repository`;
      expect(await accept(storage)).toEqual({ kind: 'refused', reason });
    }
    expect(current()).toMatchObject(unchanged);
    expect(asked).toEqual([]);
  });

  it('while a write of a live proxy does not end', async () => {
    const { accept, current, options, asked } = await start(['c'], { intents: [intentOf('t')] });
    const accepting = accept('c');
    await options.clock.advance(3100);
    expect(await accepting).toEqual({
      kind: 'busy',
      reason: 'writes in flight did not end in time',
    });
    expect(current()).toMatchObject({ ...unchanged, intents: [intentOf('t')] });
    expect(asked).toEqual([]);
  });

  it('by a proxy that does not know yet which storages there are', async () => {
    const { accept, current, record } = await start(['c'], {}, true);
    expect(await accept('c')).toEqual({
      kind: 'busy',
      reason: 'this proxy has not heard of all its storages yet',
    });
    expect(current()).toEqual(record);
  });
});
