import { describe, expect, it, jest } from '@jest/globals';
import {
  intentOf,
  nodesOf,
  recordWith,
  replica,
} from '../../../test/support/repository-records.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { seededRandom } from '../../base/random.ts';
import type { Replica } from '../routing/repository-record.ts';
import { StoreUnavailableError } from '../store/control-store.ts';
import { RepairLoop } from './repair-loop.ts';
import { Settler } from './settler.ts';
import { startRepairing } from './testing.ts';

async function startLoop(owner: string) {
  const intents = [intentOf('t', { owner })];
  const { current, options } = await startRepairing({ intents }, ['proxy-2']);
  await options.membership.refresh();
  const { writes } = options;
  const settler = new Settler(options);
  const random = seededRandom(1);
  const metrics = { repairStarted: () => () => {} };
  const loop = new RepairLoop({ ...options, settler, random, repair: options, metrics });
  const ownerLater = async () => {
    loop.start();
    await options.clock.advance(600);
    const [intent] = current()?.intents ?? [];
    await Promise.all([loop.stop(), options.clock.advance(10_000)]);
    return intent?.owner;
  };
  return { writes, ownerLater };
}

describe('an intent whose answer from the store was lost', () => {
  it('is given up by its owner, for anybody to settle', async () => {
    const { ownerLater } = await startLoop('proxy-1');
    expect(await ownerLater()).toBe('');
  });

  it('stays its owner’s while a write looks after it', async () => {
    const { writes, ownerLater } = await startLoop('proxy-1');
    writes.hold('t');
    expect(await ownerLater()).toBe('proxy-1');
  });

  it('is not touched by other proxies', async () => {
    const { ownerLater } = await startLoop('proxy-2');
    expect(await ownerLater()).toBe('proxy-2');
  });
});

describe('the look at all repositories', () => {
  it('waits until every storage was heard of, as those that are not get no replica', async () => {
    const { options } = await startRepairing({}, []);
    let isSettling = true;
    const [virtualStorage] = options.storages.all;
    if (virtualStorage !== undefined) virtualStorage.isSettling = () => isSettling;
    const placements = jest.spyOn(options.store, 'placements');
    const loop = new RepairLoop({
      ...options,
      settler: new Settler(options),
      random: seededRandom(1),
      repair: options,
      metrics: { repairStarted: () => () => {} },
    });
    const hasLookedAtAll = () => placements.mock.calls.length > 0;
    loop.start();
    await options.clock.advance(2000);
    expect(hasLookedAtAll()).toBe(false);
    isSettling = false;
    await options.clock.advance(600);
    expect(hasLookedAtAll()).toBe(true);
    await Promise.all([loop.stop(), options.clock.advance(10_000)]);
  });
});

/**
 * A loop over a repository `1`, and more with the replicas of `others`, in which a copy ends only with `end`. Each
 * repository's path on the storages is its id.
 */
async function startCopying(others: readonly (readonly Replica[])[], parallel: number) {
  const { options } = await startRepairing({ replicaPath: '1' });
  const { store, clock } = options;
  for (const [index, replicas] of others.entries()) {
    const id = BigInt(index + 2);
    const { version: _, ...record } = recordWith({ id, replicas, relativePath: `${id}.git` });
    await store.create({ ...record, replicaPath: String(id) });
  }
  const copies = new Map<string, Deferred<undefined>>();
  const begun: string[] = [];
  const [virtualStorage] = options.storages.all;
  if (virtualStorage === undefined) throw new Error('there is no virtual storage');
  virtualStorage.nodes = () => nodesOf(['a', 'b', 'c', 'd']);
  const objectPoolOf = (path: string) => {
    begun.push(path);
    const copy = deferred<undefined>();
    copies.set(path, copy);
    return copy.promise;
  };
  jest.spyOn(virtualStorage, 'control').mockReturnValue({ objectPoolOf } as never);
  const loop = new RepairLoop({
    ...options,
    settler: new Settler(options),
    random: seededRandom(1),
    repair: options,
    metrics: { repairStarted: () => () => {} },
    parallel,
  });
  loop.start();
  const look = () => clock.advance(600);
  const end = (path: string, error: Error) => copies.get(path)?.reject(error);
  const stop = async () => {
    const stopped = loop.stop();
    for (const path of copies.keys()) end(path, new Error('the test is over'));
    await Promise.all([stopped, clock.advance(10_000)]);
  };
  await look();
  return { store, clock, begun, look, end, stop };
}

const behindOn = (...storages: string[]) =>
  ['a', 'b', 'c'].map((storage) => replica(storage, storages.includes(storage) ? 4n : 5n));

describe('copies', () => {
  it('begin with what refuses writes, then go on with what is behind, then with what is missing', async () => {
    const ordinary = Array.from({ length: 5 }, () => behindOn('c'));
    const missing = [replica('a', 5n), replica('b', 5n)];
    const others = [missing, ...ordinary, behindOn('b', 'c')];
    const { begun, stop } = await startCopying(others, 4);
    expect(begun[0]).toBe('8');
    expect(begun.slice(1)).toEqual(['3', '4', '5', '2']);
    await stop();
  });

  it('of what refuses writes do not wait for others to end', async () => {
    const { store, begun, look, stop } = await startCopying(
      Array.from({ length: 8 }, () => behindOn('c')),
      2,
    );
    expect(begun).toEqual(['2']);
    const record = await store.getById(9n);
    if (record === undefined) throw new Error('there is no record');
    await store.compareAndSwap({ ...record, replicas: behindOn('b', 'c') });
    await look();
    expect(begun).toEqual(['2', '9']);
    await stop();
  });

  it('to one storage leave room for another', async () => {
    const toC = Array.from({ length: 4 }, () => behindOn('c'));
    const { begun, stop } = await startCopying([...toC, behindOn('b')], 4);
    expect(begun.toSorted()).toEqual(['2', '3', '4', '6']);
    await stop();
  });

  it('begin as soon as others have ended, and the failed ones again later', async () => {
    const { clock, begun, end, look, stop } = await startCopying([behindOn('c'), behindOn('c')], 1);
    expect(begun).toEqual(['2']);
    end('2', new Error('its contents differ'));
    await clock.advance(1);
    expect(begun).toEqual(['2', '3']);
    end('3', new Error('its contents differ'));
    await look();
    await look();
    expect(begun.slice(2).toSorted()[0]).toBe('2');
    await stop();
  });

  it('of moves give way as long as a repair waits', async () => {
    const moving = [...behindOn(), { ...replica('d', -1n, 'learner'), replaces: 'c' }];
    const others = [moving, behindOn('c'), behindOn('c')];
    const { clock, begun, end, stop } = await startCopying(others, 1);
    expect(begun).toEqual(['3']);
    end('3', new Error('its contents differ'));
    await clock.advance(1);
    expect(begun).toEqual(['3', '4', '2']);
    await stop();
  });

  it('that have failed for what says nothing about them begin again in the next look', async () => {
    const { begun, end, look, stop } = await startCopying([behindOn('c')], 1);
    for (let attempt = 0; attempt < 10; attempt++) {
      end('2', new StoreUnavailableError(new Error('away')));
      await look();
    }
    expect(begun).toHaveLength(11);
    await stop();
  });
});
