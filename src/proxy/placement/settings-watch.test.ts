import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { silentLogger } from '../../base/logger.ts';
import type { StorageSetting } from '../store/storage-settings.ts';
import { SettingsWatch } from './settings-watch.ts';

function setUp() {
  const clock = new ManualClock();
  let weights: readonly StorageSetting<number>[] = [];
  const zone = { virtualStorage: 'other', storage: 'gitaly-0', value: 'a' };
  const zonesOf: Record<string, ReadonlyMap<string, string>> = {};
  let isAway = false;
  const noted: Record<string, ReadonlyMap<string, number>> = {};
  const watch = new SettingsWatch({
    zones: { list: async () => [zone] },
    weights: {
      async list() {
        if (isAway) throw new Error('the store is away');
        return weights;
      },
    },
    storages: {
      all: ['default', 'other'].map((name) => ({
        name,
        setPlacement: (all, zones) => {
          noted[name] = all;
          zonesOf[name] = zones;
        },
      })),
    },
    clock,
    logger: silentLogger,
  });
  return {
    clock,
    watch,
    noted,
    zonesOf,
    set: (...all: readonly StorageSetting<number>[]) => (weights = all),
    setAway: (value: boolean) => (isAway = value),
  };
}

const zero = { virtualStorage: 'default', storage: 'gitaly-0', value: 0 };

describe('a proxy', () => {
  test('knows of weights and zones before it has started', async () => {
    const { watch, noted, zonesOf, set } = setUp();
    set(zero, { ...zero, virtualStorage: 'other', value: 7 });
    await watch.start();
    expect(noted).toEqual({
      default: new Map([['gitaly-0', 0]]),
      other: new Map([['gitaly-0', 7]]),
    });
    expect(zonesOf).toEqual({ default: new Map(), other: new Map([['gitaly-0', 'a']]) });
    await watch.stop();
  });

  test('does not start without having seen them', async () => {
    const { watch, setAway } = setUp();
    setAway(true);
    await expect(watch.start()).rejects.toThrow('the store is away');
  });

  test('takes note of changes within a second, and goes by what it knows while the store is away', async () => {
    const { clock, watch, noted, set, setAway } = setUp();
    await watch.start();
    set(zero);
    await clock.advance(1000);
    expect(noted['default']).toEqual(new Map([['gitaly-0', 0]]));
    setAway(true);
    set();
    await clock.advance(60_000);
    expect(noted['default']).toEqual(new Map([['gitaly-0', 0]]));
    setAway(false);
    await clock.advance(1000);
    expect(noted['default']).toEqual(new Map());
    await watch.stop();
    expect(clock.pendingCount).toBe(0);
  });
});
