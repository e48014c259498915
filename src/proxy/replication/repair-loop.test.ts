import { describe, expect, it, jest } from '@jest/globals';
import { intentOf } from '../../../test/support/repository-records.ts';
import { seededRandom } from '../../base/random.ts';
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
    const list = jest.spyOn(options.store, 'list');
    const loop = new RepairLoop({
      ...options,
      settler: new Settler(options),
      random: seededRandom(1),
      repair: options,
      metrics: { repairStarted: () => () => {} },
    });
    const hasLookedAtAll = () => list.mock.calls.some(([query]) => query.onlyUnsettled !== true);
    loop.start();
    await options.clock.advance(2000);
    expect([list.mock.calls.length > 1, hasLookedAtAll()]).toEqual([true, false]);
    isSettling = false;
    await options.clock.advance(600);
    expect(hasLookedAtAll()).toBe(true);
    await Promise.all([loop.stop(), options.clock.advance(10_000)]);
  });
});
