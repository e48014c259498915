import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { deferred } from '../../base/deferred.ts';
import { silentLogger } from '../../base/logger.ts';
import type { DiskSpace } from '../routing/placement-weight.ts';
import { DiskWatch, measureMs, staleMs } from './disk-watch.ts';

const half: DiskSpace = { freeBytes: 50, totalBytes: 100 };

function setUp(names: readonly string[]) {
  const clock = new ManualClock();
  const answers = new Map<string, () => Promise<DiskSpace | undefined>>();
  const healths = new Map<string, string>();
  const asked: string[] = [];
  const disks = new Map<string, DiskSpace | undefined>();
  const storages = names.map((name) => ({
    name,
    health: {
      get kind() {
        return healths.get(name) ?? 'healthy';
      },
    },
    control: {
      diskSpace() {
        asked.push(name);
        return answers.get(name)?.() ?? Promise.resolve(half);
      },
    },
  }));
  const watch = new DiskWatch({
    storages: {
      all: [{ name: 'default', storages, setDisk: (name, disk) => disks.set(name, disk) }],
    },
    clock,
    logger: silentLogger,
  });
  watch.start();
  return { clock, watch, answers, healths, asked, disks };
}

describe('the free space of a storage', () => {
  test('is measured as soon as it is healthy, then once a minute', async () => {
    const { clock, watch, healths, asked, disks } = setUp(['a', 'b']);
    healths.set('b', 'unknown');
    await clock.advance(1000);
    expect(asked).toEqual(['a']);
    expect(disks.get('a')).toEqual(half);
    healths.set('b', 'healthy');
    await clock.advance(1000);
    expect(asked).toEqual(['a', 'b']);
    await clock.advance(measureMs);
    expect(asked).toEqual(['a', 'b', 'a', 'b']);
    await watch.stop();
  });

  test('is asked for no sooner where that has failed, and counts until it is too old', async () => {
    const { clock, watch, answers, asked, disks } = setUp(['a']);
    await clock.advance(1000);
    answers.set('a', () => Promise.reject(new Error('no answer')));
    await clock.advance(staleMs - 1000);
    expect(disks.get('a')).toEqual(half);
    expect(asked.length).toBeLessThanOrEqual(1 + staleMs / measureMs);
    await clock.advance(2000);
    expect(disks.get('a')).toBeUndefined();
    answers.delete('a');
    await clock.advance(measureMs);
    expect(disks.get('a')).toEqual(half);
    await watch.stop();
  });

  test('is unknown where the storage does not tell', async () => {
    const { clock, watch, answers, disks } = setUp(['a']);
    answers.set('a', () => Promise.resolve(undefined));
    await clock.advance(1000);
    expect([...disks]).toEqual([['a', undefined]]);
    await watch.stop();
  });

  test('is asked of eight storages at the same time at most', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `gitaly-${index}`);
    const { clock, watch, answers, asked, disks } = setUp(names);
    const slow = deferred<DiskSpace>();
    for (const name of names.slice(0, 8)) answers.set(name, () => slow.promise);
    await clock.advance(1000);
    expect(asked).toHaveLength(8);
    slow.resolve(half);
    await clock.advance(0);
    expect(asked).toHaveLength(20);
    expect([...disks.values()].filter((disk) => disk !== undefined)).toHaveLength(20);
    await watch.stop();
  });
});
