import { describe, expect, it } from '@jest/globals';
import { intentOf } from '../../../test/support/repository-records.ts';
import { Settler } from './settler.ts';
import { startRepairing } from './testing.ts';

describe('a creation that nobody has finished', () => {
  it('is taken back when its owner is gone', async () => {
    const intents = [intentOf('t', { owner: 'gone', kind: 'creation' })];
    const { record, current, options } = await startRepairing({ intents });
    await new Settler(options).settle(record);
    expect(current()).toBeUndefined();
  });

  it('stays when its owner has started a moment ago', async () => {
    const intents = [intentOf('t', { owner: 'proxy-2', kind: 'creation' })];
    const { record, current, options } = await startRepairing({ intents }, ['proxy-2']);
    await new Settler(options).settle(record);
    expect(current()).toEqual(record);
  });
});

describe('writes whose owner is gone', () => {
  it('stay as they are while no storage can tell what it holds', async () => {
    const intents = [intentOf('t', { owner: 'gone' })];
    const { record, current, options } = await startRepairing({ intents });
    await new Settler(options).settle(record);
    expect(current()).toMatchObject({ intents, epoch: record.epoch, lsn: record.lsn });
    expect(current()?.barrier).toBeUndefined();
  });
});
