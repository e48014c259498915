import { describe, expect, it } from '@jest/globals';
import { nodesOf, replica } from '../../../test/support/repository-records.ts';
import type { RepairClaim } from '../routing/repository-record.ts';
import { changeReplicaCount } from '../transactions/replica-count.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { removeLeaving } from './leaving.ts';
import { startRepairing } from './testing.ts';

/** The replica on `c` is leaving. `remove` is what its storage does meanwhile, with a vote of its own. */
async function start(remove: (vote: () => Promise<string>) => Promise<void>, repair?: RepairClaim) {
  const leaving = { ...replica('c', 5n, 'leaving'), ...(repair !== undefined && { repair }) };
  const replicas = [replica('a', 5n), replica('b', 5n), leaving];
  const { record, current, change, options } = await startRepairing({ replicas }, ['proxy-2']);
  const [virtualStorage] = options.storages.all as [VirtualStorage];
  const vote = (transaction: bigint) =>
    new Promise<string>((resolve) => {
      const cast = { phase: 'prepared', hash: 'x' } as const;
      options.writes.vote(transaction, 'c', cast, (result) => {
        resolve(result.kind === 'answered' ? result.answer : result.kind);
      });
    });
  const control = {
    remove: (_path: string, transaction: bigint) => remove(() => vote(transaction)),
  };
  virtualStorage.control = () => control as unknown as ReturnType<VirtualStorage['control']>;
  return { current, change, options, removal: () => removeLeaving(record, 'c', options) };
}

const storagesOf = (record: { replicas: readonly { storage: string }[] } | undefined) =>
  record?.replicas.map(({ storage }) => storage);

describe('a replica that is leaving', () => {
  it('is removed with a vote, and struck out', async () => {
    let answer = '';
    const { current, removal } = await start(async (vote) => {
      answer = await vote();
    });
    await removal();
    expect([answer, storagesOf(current())]).toEqual(['commit', ['a', 'b']]);
  });

  it('is only struck out where the storage is decommissioned, also if that one is away', async () => {
    const removed: string[] = [];
    const { current, options, removal } = await start(async () => void removed.push('c'));
    const [virtualStorage] = options.storages.all as [VirtualStorage];
    const nodes = nodesOf(['a', 'b', 'c'], { c: { isDecommissioned: true, healthy: false } });
    virtualStorage.nodes = () => nodes;
    await removal();
    expect([removed, storagesOf(current())]).toEqual([[], ['a', 'b']]);
  });

  it('is not removed by a storage that comes to it when the call is over', async () => {
    let later = async () => '';
    const { current, removal } = await start(async (vote) => {
      later = vote;
      throw new Error('it took too long');
    });
    await expect(removal()).rejects.toThrow('it took too long');
    expect([await later(), storagesOf(current())]).toEqual(['unknownTransaction', ['a', 'b', 'c']]);
    expect(current()?.replicas[2]).toEqual(replica('c', 5n, 'leaving'));
  });

  it('is not removed any more by a proxy that may have lost its lease', async () => {
    const { options, removal } = await start(async (vote) => {
      options.membership.leaseTerm += 1;
      expect(await vote()).toBe('abort');
      throw new Error('refused');
    });
    await expect(removal()).rejects.toThrow('refused');
  });

  it('is left to the proxy that removes it already, as long as that one lives', async () => {
    const by = (owner: string) => ({ id: `${owner}/removal/1`, owner });
    const removed: string[] = [];
    const alive = await start(async () => void removed.push('proxy-2'), by('proxy-2'));
    await expect(alive.removal()).rejects.toThrow('claimed');
    const gone = await start(async () => void removed.push('proxy-3'), by('proxy-3'));
    await gone.removal();
    expect([removed, storagesOf(gone.current())]).toEqual([['proxy-3'], ['a', 'b']]);
  });

  it('keeps its storage from getting a new one until it is gone', async () => {
    const raised: string[] = [];
    const raise = { candidates: ['c'], minInSyncReplicas: 1 };
    const { current, removal } = await start(async () => {
      const record = current();
      if (record === undefined) throw new Error('there is no record');
      raised.push(changeReplicaCount(record, 3, raise).kind);
    });
    await removal();
    const record = current();
    if (record !== undefined) raised.push(changeReplicaCount(record, 3, raise).kind);
    expect(raised).toEqual(['refuse', 'change']);
  });
});
