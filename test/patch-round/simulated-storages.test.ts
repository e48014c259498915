import { beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock } from '../support/manual-clock.ts';
import { Pace } from './pace.ts';
import { SimulatedStorages } from './simulated-storages.ts';

const request = { requester: 'operator', reason: 'a patch' };

describe('simulated storages', () => {
  let clock: ManualClock;
  let world: SimulatedStorages;

  beforeEach(() => {
    clock = new ManualClock();
    world = new SimulatedStorages({
      storages: 4,
      sets: {
        replicas: 3,
        members: Uint16Array.of(0, 1, 2, 1, 2, 3),
        repositories: Uint32Array.of(7, 5),
      },
      times: { notice: 1, longestCall: 10, catchUp: 20 },
      pace: new Pace(10),
      clock,
      random: { next: () => 0.5 },
    });
    world.beginRound();
  });

  test('a drain is noticed, its calls end, and its storage stays in sync and counts as not usable', async () => {
    world.requestDrain(1, request);
    expect(world.storage(1).drain).toMatchObject({ isNoticed: false, isDrained: false });
    await clock.advance(100);
    expect(world.storage(1).drain).toMatchObject({ isNoticed: true, isDrained: false });
    await clock.advance(500);
    expect(world.storage(1)).toMatchObject({
      inSync: true,
      drain: { ...request, isDrained: true },
    });
    expect(world.fewestUsable).toBe(2);
    expect(world.repositoriesWith(3)).toBe(12);
    expect(world.areAllServing).toBe(false);
  });

  test('asking for a drain once more changes nothing', async () => {
    world.requestDrain(1, request);
    await clock.advance(600);
    world.requestDrain(1, { ...request, reason: 'again' });
    expect(world.storage(1).drain).toMatchObject({ reason: 'a patch', isDrained: true });
  });

  test('a storage whose pod goes is behind, and in sync again only after it has caught up', async () => {
    world.setReady(0, false);
    expect(world.storage(0)).toMatchObject({ healthy: false, inSync: false });
    expect(world.repositoriesWith(2)).toBe(7);
    await clock.advance(10_000);
    world.setReady(0, true);
    expect(world.storage(0)).toMatchObject({ healthy: true, inSync: false });
    await clock.advance(1_999);
    expect(world.repositoriesWith(2)).toBe(7);
    await clock.advance(1);
    expect(world.repositoriesWith(3)).toBe(12);
    expect(world.areAllServing).toBe(true);
    expect(world.bars()).toEqual([
      { storage: 0, phase: 'away', fromMs: 0, toMs: 10_000 },
      { storage: 0, phase: 'catchingUp', fromMs: 10_000, toMs: 12_000 },
    ]);
  });

  test('one whose pod goes once more while it catches up begins anew', async () => {
    world.setReady(0, false);
    world.setReady(0, true);
    await clock.advance(1_000);
    world.setReady(0, false);
    await clock.advance(5_000);
    expect(world.storage(0).inSync).toBe(false);
  });

  test('the fewest usable replicas are kept, also when all are back', async () => {
    world.setReady(0, false);
    world.requestDrain(1, request);
    world.requestDrain(2, request);
    expect(world.fewestUsable).toBe(0);
    world.cancelDrain(1);
    world.cancelDrain(2);
    world.setReady(0, true);
    await clock.advance(60_000);
    expect(world.areAllServing).toBe(true);
    expect(world.fewestUsable).toBe(0);
    world.beginRound();
    expect(world.fewestUsable).toBe(3);
  });
});
