import { describe, expect, it } from '@jest/globals';
import { recordWith, replica } from '../../../test/support/repository-records.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import {
  joinPool,
  leaveOtherPools,
  membershipFault,
  readMembership,
  type ReplicaPair,
} from './pool-membership.ts';
import { startRepairing } from './testing.ts';

const poolPath = '@cluster/pools/d4/73/2';
const poolOf = (parts: Partial<RepositoryRecord> = {}) =>
  recordWith({ id: 2n, relativePath: '@pools/p.git', replicaPath: poolPath, ...parts });

/** A storage as far as pools go: what its replica borrows from, or why it cannot tell. */
interface Disk {
  borrowsFrom?: string | undefined | UpstreamError;
  /** Why it cannot get what it borrows, with INTERNAL. */
  readonly fails?: string;
}

/** The repair of the replica on `b` from the one on `a`, and what is done to `b`. */
async function startPair(
  { a, b = {} }: { readonly a?: string; readonly b?: Disk },
  pool: RepositoryRecord | undefined = poolOf(),
  parts: Partial<RepositoryRecord> = { replicas: [replica('a', 5n), replica('b', 4n, 'learner')] },
) {
  const { record, options, change } = await startRepairing(parts);
  const { store } = options;
  if (pool !== undefined) await store.create(pool);
  const done: string[] = [];
  const controls: Readonly<Record<string, unknown>> = {
    a: { objectPoolOf: async () => a },
    b: {
      async objectPoolOf() {
        if (b.borrowsFrom instanceof UpstreamError) throw b.borrowsFrom;
        return b.borrowsFrom;
      },
      async disconnectFromObjectPool() {
        done.push('disconnect');
        if (b.fails !== undefined) throw failure(statusCodes.INTERNAL, b.fails);
        b.borrowsFrom = undefined;
      },
      async linkToObjectPool(_path: string, to: string) {
        done.push(`link ${to}`);
        b.borrowsFrom = to;
      },
      remove: async (_path: string, transaction: bigint) => done.push(`remove in ${transaction}`),
    },
  };
  const virtualStorage: Pick<VirtualStorage, 'control'> = {
    control: (storage) => controls[storage] as ReturnType<VirtualStorage['control']>,
  };
  const pair: ReplicaPair = {
    record,
    virtualStorage: virtualStorage as VirtualStorage,
    target: 'b',
    source: 'a',
    transaction: 7n,
  };
  return { pair, options, done, store, change };
}

function failure(code: number, message = ''): UpstreamError {
  return new UpstreamError('m', { code, message });
}

describe('what a replica has to borrow from', () => {
  it('is the pool of its source, if that is in sync on its storage', async () => {
    const { pair, options } = await startPair({ a: poolPath });
    expect(await readMembership(pair, options)).toEqual({ kind: 'known', pool: poolPath });
  });

  it('is brought to its storage first, if it is not there', async () => {
    const pool = poolOf({ replicas: [replica('a', 5n)] });
    const { pair, options, store } = await startPair({ a: poolPath }, pool);
    expect(await readMembership(pair, options)).toMatchObject({ kind: 'poolMissing' });
    const replicas = [replica('a', 5n), replica('b', -1n, 'learner')];
    expect(await store.getById(2n)).toMatchObject({ replicas });
  });

  it('is not relied on while it is behind on its storage', async () => {
    const pool = poolOf({ replicas: [replica('a', 5n), replica('b', 4n)] });
    const { pair, options } = await startPair({ a: poolPath }, pool);
    expect(await readMembership(pair, options)).toMatchObject({ kind: 'poolMissing' });
  });

  it('is nothing where the source borrows from nothing, or from what has no record', async () => {
    for (const a of [undefined, '@pools/x.git', '@cluster/pools/4e/07/3']) {
      const { pair, options } = await startPair(a === undefined ? {} : { a });
      expect(await readMembership(pair, options)).toEqual({ kind: 'known', pool: undefined });
    }
  });
});

describe('before a copy', () => {
  const leave = async (b: Disk, pool: string | undefined, parts?: Partial<RepositoryRecord>) => {
    const { pair, options, done } = await startPair({ b }, undefined, parts);
    await leaveOtherPools(pair, pool, options);
    return done;
  };

  it('a replica goes on borrowing from the right pool', async () => {
    expect(await leave({ borrowsFrom: poolPath }, poolPath)).toEqual([]);
  });

  it('a replica that is not there, or is no repository, is left to the copy', async () => {
    for (const code of [statusCodes.NOT_FOUND, statusCodes.FAILED_PRECONDITION]) {
      expect(await leave({ borrowsFrom: failure(code) }, undefined)).toEqual([]);
    }
  });

  it('a replica that borrows from something else gets all of it', async () => {
    expect(await leave({ borrowsFrom: '@cluster/pools/x/y/9' }, poolPath)).toEqual(['disconnect']);
    expect(await leave({}, poolPath)).toEqual(['disconnect']);
  });

  it.each([
    'stat /data/@cluster/pools/d4/73/2/objects: no such file or directory',
    'alternate object entry is not a directory',
    'multiple alternate object directories',
    'git connectivity error while disconnected: exit status 128',
  ])('a replica that borrows from what is gone is made anew: %s', async (fails) => {
    expect(await leave({ fails }, undefined)).toEqual(['disconnect', 'remove in 7']);
  });

  it.each([
    'mkdirat objects/pack: no space left on device',
    'link objects/pack/a.pack objects/pack/b.pack: no space left on device',
    'rename alternates alternates.1: read-only file system',
    'git connectivity error while disconnected: signal: killed',
    'preparatory vote for migrating objects: transaction was aborted',
    'stat /data/objects: input/output error',
    'link a b: no such file or directory',
    '',
  ])('nothing is removed on a storage that fails otherwise: %s', async (fails) => {
    const { pair, options, done } = await startPair({ b: { fails } }, undefined);
    await expect(leaveOtherPools(pair, undefined, options)).rejects.toThrow(UpstreamError);
    expect(done).toEqual(['disconnect']);
  });

  it('a storage that does not answer is not taken for one without the replica', async () => {
    const b = { borrowsFrom: failure(statusCodes.UNAVAILABLE) };
    await expect(leave(b, undefined)).rejects.toBeInstanceOf(UpstreamError);
  });
});

describe('after a copy', () => {
  it('a replica borrows from the pool, if there is one', async () => {
    const { pair, done } = await startPair({ a: poolPath });
    await joinPool(pair, undefined);
    await joinPool(pair, poolPath);
    await joinPool(pair, poolPath);
    expect(done).toEqual([`link ${poolPath}`]);
  });

  it('one that borrows from something else than its source is not relied on', async () => {
    const faultOf = async (a: string | undefined, borrowsFrom: string | undefined) => {
      const { pair, options } = await startPair({
        ...(a === undefined ? {} : { a }),
        b: { borrowsFrom },
      });
      return membershipFault(pair, options);
    };
    expect(await faultOf(poolPath, poolPath)).toBeUndefined();
    expect(await faultOf(undefined, undefined)).toBeUndefined();
    expect(await faultOf(poolPath, undefined)).toBe(
      `it borrows from nothing and has to borrow from ${poolPath}`,
    );
    expect(await faultOf(undefined, poolPath)).toBe(
      `it borrows from ${poolPath} and has to borrow from nothing`,
    );
  });

  it('one whose pool has fallen behind on its storage is not relied on', async () => {
    const pool = poolOf({ replicas: [replica('a', 5n), replica('b', 4n)] });
    const { pair, options } = await startPair({ a: poolPath, b: { borrowsFrom: poolPath } }, pool);
    expect(await membershipFault(pair, options)).toMatch(/is not in sync on b yet/);
  });
});
