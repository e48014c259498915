import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { silentLogger } from '../../base/logger.ts';
import type { DrainReport, DrainRequest, Graces } from '../store/drain-board.ts';
import { DrainWatch, type CuttableCall } from './drain-watch.ts';

function setUp() {
  const clock = new ManualClock();
  let requests: readonly DrainRequest[] = [];
  let isAway = false;
  let reported: readonly DrainReport[] = [];
  const drained = new Map<string, ReadonlySet<string>>();
  const calls: CuttableCall[] = [];
  const cut: string[] = [];
  const watch = new DrainWatch({
    board: {
      async list() {
        if (isAway) throw new Error('the store is away');
        return requests;
      },
      async report(_owner, reports) {
        reported = reports;
      },
    },
    storages: {
      all: ['default', 'other'].map((name) => ({
        name,
        keepAwayFrom: (storages) => drained.set(name, storages),
      })),
    },
    runningCalls: () => calls,
    onCut: (callClass) => cut.push(callClass),
    owner: 'proxy-0',
    clock,
    logger: silentLogger,
  });
  return {
    clock,
    watch,
    calls,
    drained,
    reported: () => reported,
    cut,
    ask: (...asked: readonly [id: bigint, storage: string, graces?: Graces][]) => {
      requests = asked.map(([id, storage, graces = {}]) => ({
        id,
        virtualStorage: 'default',
        storage,
        requester: `${id}`,
        reason: 'a new image',
        graces,
        requestedAtMs: 0,
      }));
    },
    setAway: (value: boolean) => (isAway = value),
  };
}

function pushTo(primary: string | undefined, startedMs: number) {
  const reasons: string[] = [];
  return {
    reasons,
    cut: (reason: string) => void reasons.push(reason),
    startedMs,
    head: { path: '/gitaly.SSHService/SSHReceivePack' },
    trace: { virtualStorage: 'default', relativePath: 'a.git', storage: undefined, primary },
  };
}

describe('a proxy', () => {
  test('knows of the drains before it has started', async () => {
    const { watch, drained, ask, reported } = setUp();
    ask([1n, 'gitaly-0']);
    await watch.start();
    expect(drained.get('default')).toEqual(new Set(['gitaly-0']));
    expect(drained.get('other')).toEqual(new Set());
    expect(reported()).toEqual([{ id: 1n, calls: [] }]);
    await watch.stop();
  });

  test('does not start without having seen the board', async () => {
    const { watch, setAway } = setUp();
    setAway(true);
    await expect(watch.start()).rejects.toThrow('the store is away');
  });

  test('reports the calls that it has there until they have ended', async () => {
    const { clock, watch, calls, ask, reported } = setUp();
    calls.push(pushTo('gitaly-0', 0), pushTo('gitaly-1', 0));
    await watch.start();
    ask([7n, 'gitaly-0'], [8n, 'gitaly-0']);
    await clock.advance(750);
    const left = [{ class: 'push', count: 1, oldestMs: 750, oldestRepository: 'a.git' }];
    expect(reported()).toEqual([
      { id: 7n, calls: left },
      { id: 8n, calls: left },
    ]);
    calls.splice(0);
    await clock.advance(750);
    expect(reported()).toEqual([
      { id: 7n, calls: [] },
      { id: 8n, calls: [] },
    ]);
    await watch.stop();
  });

  test('counts calls that are not routed yet, if they came before it took note', async () => {
    const { clock, watch, calls, ask, reported } = setUp();
    await watch.start();
    ask([7n, 'gitaly-0']);
    calls.push(pushTo(undefined, 750));
    await clock.advance(750);
    expect(reported()[0]?.calls).toHaveLength(1);
    // Later requests for the same storage change nothing: clients are kept away from it all the time.
    ask([7n, 'gitaly-0'], [9n, 'gitaly-0']);
    calls.splice(0, 1, pushTo(undefined, 751));
    await clock.advance(750);
    expect(reported()).toEqual([
      { id: 7n, calls: [] },
      { id: 9n, calls: [] },
    ]);
    await watch.stop();
  });

  test('cuts a call once that has outlived the grace of its class, and waits for its end', async () => {
    const { clock, watch, calls, ask, cut, reported } = setUp();
    await watch.start();
    ask([7n, 'gitaly-0', { push: 1500, fetch: 0 }], [8n, 'gitaly-1']);
    const [own, other] = [pushTo('gitaly-0', 0), pushTo('gitaly-1', 0)];
    calls.push(own, other);
    await clock.advance(1500);
    expect(own.reasons).toEqual([]);
    await clock.advance(1500);
    expect(own.reasons).toEqual(['storage gitaly-0 is being drained']);
    expect(other.reasons).toEqual([]);
    expect(cut).toEqual(['push']);
    expect(reported()[0]?.calls).toMatchObject([{ class: 'push', count: 1 }]);
    await watch.stop();
  });

  test('goes by what it has seen last while the store is away', async () => {
    const { clock, watch, drained, ask, setAway } = setUp();
    ask([1n, 'gitaly-0']);
    await watch.start();
    setAway(true);
    ask();
    await clock.advance(60_000);
    expect(drained.get('default')).toEqual(new Set(['gitaly-0']));
    setAway(false);
    await clock.advance(750);
    expect(drained.get('default')).toEqual(new Set());
    await watch.stop();
  });
});
