import { describe, expect, test } from '@jest/globals';
import { ServingState } from '../../src/proxy/admin/serving-state.ts';
import { createRelay, createStorages } from '../../src/main/proxy-parts.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { LogRecorder } from '../../src/proxy/store/testing.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** A proxy without a storage and without a socket, whose store can be cut off. */
async function startRelay() {
  const clock = new ManualClock();
  const logger = new LogRecorder();
  const store = createMemoryStore({ clock });
  const options = {
    config: {
      grpcListen: '127.0.0.1:0',
      httpListen: '127.0.0.1:0',
      virtualStorages: [],
      stop: { lameDuckMs: 0, callsMs: 0 },
    },
    owner: 'proxy-0',
    openStore: () => Promise.resolve(store),
    clientTokens: () => [],
    gitalyTokens: () => [],
    logger,
    clock,
  };
  const { view, membership, repairLoop } = createRelay(
    options,
    createStorages(options),
    store,
    new ServingState(),
  );
  const started = view.start().then(() => membership.start());
  await Promise.all([started, clock.advance(0)]);
  repairLoop.start();
  const told = () => logger.lines.filter(({ level }) => level !== 'debug');
  const stop = async () => {
    await Promise.all([repairLoop.stop(), membership.stop(), view.stop()]);
    await store.stop();
  };
  return { clock, store, told, stop };
}

describe('a proxy whose control store is away', () => {
  test('says so when it begins, once a minute, and when it ends, with how long it was', async () => {
    const { clock, store, told, stop } = await startRelay();
    await clock.advance(5000);
    expect(told()).toEqual([]);
    store.disconnect();
    await clock.advance(90_000);
    store.reconnect();
    await clock.advance(5000);
    const [lost, still, again, ...others] = told();
    expect(others).toEqual([]);
    expect(lost).toMatchObject({ level: 'warn', fields: { use: 'changes' } });
    expect(lost?.message).toContain('cannot be used; reads go on');
    expect(still).toMatchObject({ level: 'warn', message: expect.stringContaining('still') });
    expect(again).toMatchObject({ level: 'info', message: expect.stringContaining('used again') });
    const { awayMs = 0 } = (again?.fields ?? {}) as { readonly awayMs?: number };
    expect(Math.floor(awayMs / 1000)).toBe(90);
    await stop();
  });
});
