import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { sleep } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import { RepositoryService } from '../gen/gitaly/repository_pb.ts';
import { statusCodes } from '../rpc/status.ts';
import type { RpcChannel } from '../rpc/channel.ts';
import { BalancedCaller } from './balanced-caller.ts';

const method = RepositoryService.method.repositorySize;

/** A caller whose channels connect when they are told to, and never else. */
function setUp() {
  const clock = new ManualClock();
  const channels: FakeChannel[] = [];
  let lookups = 0;
  const refresh = async () => {
    lookups += 1;
  };
  const caller = new BalancedCaller({ name: 'dns:///proxies', clock, refresh });
  const open = () => {
    const channel = new FakeChannel(clock);
    channels.push(channel);
    return channel;
  };
  caller.use(open);
  const stopped = () => channels.map(({ isStopped }) => isStopped);
  return { clock, channels, caller, open, stopped, lookups: () => lookups };
}

class FakeChannel implements RpcChannel {
  readonly #clock: ManualClock;
  readonly openedMs: number;
  isConnected = false;
  isStopped = false;
  calls = 0;

  constructor(clock: ManualClock) {
    this.#clock = clock;
    this.openedMs = clock.monotonicMs();
  }

  async ready(limitMs: number): Promise<boolean> {
    const endMs = this.#clock.monotonicMs() + limitMs;
    while (!this.isConnected && this.#clock.monotonicMs() < endMs) await sleep(this.#clock, 10);
    return this.isConnected;
  }

  async open(): Promise<never> {
    this.calls += 1;
    throw new Error('this channel makes no calls');
  }

  async stop(): Promise<void> {
    this.isStopped = true;
  }
}

const reached = 'this channel makes no calls';

describe('a caller whose channel does not connect', () => {
  test('opens another each second beside it, and a call takes the first that is connected', async () => {
    const { clock, channels, caller, stopped } = setUp();
    const call = caller.open(method).catch(errorMessage);
    await clock.advance(2400);
    expect(channels.map(({ openedMs }) => openedMs)).toEqual([0, 1000, 2000]);
    expect(stopped()).toEqual([false, false, false]);
    if (channels[1] !== undefined) channels[1].isConnected = true;
    await clock.advance(100);
    expect(await call).toBe(reached);
    expect(channels.map(({ calls }) => calls)).toEqual([0, 1, 0]);
    expect(stopped()).toEqual([true, false, true]);
  });

  test('keeps three attempts at most, and opens none when nobody calls', async () => {
    const { clock, channels, caller, stopped } = setUp();
    const results: unknown[] = [];
    for (let count = 0; count < 3; count++) {
      const call = caller.open(method).catch((error: unknown) => results.push(error));
      await clock.advance(3000);
      await call;
    }
    expect(results).toHaveLength(3);
    expect(results[0]).toMatchObject({ code: statusCodes.UNAVAILABLE });
    expect(stopped().filter((isStopped) => !isStopped)).toHaveLength(3);
    const opened = channels.length;
    await clock.advance(60_000);
    expect(channels).toHaveLength(opened);
  });

  test('opens one more for many calls that wait, not one for each', async () => {
    const { clock, channels, caller } = setUp();
    const calls = Array.from({ length: 10 }, () => caller.open(method).catch(() => {}));
    await clock.advance(1400);
    expect(channels).toHaveLength(2);
    await clock.advance(2000);
    await Promise.all(calls);
  });

  test('drops all attempts when the servers are others', async () => {
    const { clock, channels, caller, open, stopped } = setUp();
    const call = caller.open(method).catch(errorMessage);
    await clock.advance(1400);
    caller.use(open);
    if (channels[2] !== undefined) channels[2].isConnected = true;
    await clock.advance(100);
    expect(await call).toBe(reached);
    expect(stopped()).toEqual([true, true, false]);
  });
});

describe('a caller whose channel is connected', () => {
  test('goes on with it, however old it is', async () => {
    const { clock, channels, caller, lookups } = setUp();
    if (channels[0] !== undefined) channels[0].isConnected = true;
    await clock.advance(3_600_000);
    await expect(caller.open(method)).rejects.toThrow(reached);
    expect(channels).toHaveLength(1);
    expect(lookups()).toBe(0);
  });
});
