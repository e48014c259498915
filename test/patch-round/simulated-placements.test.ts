import { expect, test } from '@jest/globals';
import { drawSets } from './replica-sets.ts';
import { placementsOf } from './simulated-placements.ts';
import { statusOf } from './simulated-status.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Pace } from './pace.ts';
import { SimulatedStorages } from './simulated-storages.ts';

const layout = {
  name: 'zones',
  minAvailableReplicas: 2,
  storages: 7,
  zones: ['a', 'b', 'c'],
  onePerZone: true,
};

function simulated() {
  const sets = drawSets(layout, 5_000);
  const world = new SimulatedStorages({
    storages: 7,
    sets,
    times: { notice: 1, longestCall: 1, catchUp: 1 },
    pace: new Pace(1),
    clock: new ManualClock(),
    random: { next: () => 0 },
  });
  const storageNames = ['s0', 's1', 's2', 's3', 's4', 's5', 's6'];
  return { name: 'default', storageNames, sets, world };
}

test('every repository is drawn, with one replica in each zone', () => {
  const { sets } = simulated();
  expect(sets.repositories.reduce((sum, count) => sum + count, 0)).toBe(5_000);
  for (const [at, storage] of sets.members.entries()) {
    expect(storage).toBeLessThan(7);
    if (at % 3 === 0) {
      const zones = [...sets.members.subarray(at, at + 3)].map((member) => member % 3);
      expect(new Set(zones)).toEqual(new Set([0, 1, 2]));
    }
  }
});

test('a list leaves out the replicas of a storage that is behind', () => {
  const virtualStorage = simulated();
  virtualStorage.world.setReady(4, false);
  const parts = [...placementsOf(virtualStorage)];
  expect(parts.flatMap(({ storages = [] }) => storages)).toEqual(virtualStorage.storageNames);
  const members = parts.flatMap((part) => part.members ?? []);
  const sizes = parts.flatMap((part) => part.sizes ?? []);
  expect(members).not.toContain(4);
  expect(members).toHaveLength(sizes.reduce((sum, size) => sum + size, 0));
  expect(new Set(sizes)).toEqual(new Set([2, 3]));
  const counts = parts.flatMap((part) => part.repositories ?? []);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(5_000);
});

test('a status counts each repository in one class, and all replicas and primaries', () => {
  const virtualStorage = simulated();
  const status = statusOf(virtualStorage);
  const sumOf = (field: 'replicas' | 'inSync' | 'primaries') =>
    (status().virtualStorages?.[0]?.storages ?? []).reduce(
      (sum, storage) => sum + Number(storage[field]),
      0,
    );
  expect([sumOf('replicas'), sumOf('inSync'), sumOf('primaries')]).toEqual([15_000, 15_000, 5_000]);
  virtualStorage.world.setReady(4, false);
  const [after] = status().virtualStorages ?? [];
  const held = Number(after?.storages?.[4]?.replicas);
  expect(Number(after?.degraded)).toBe(held);
  expect(Number(after?.fullyReplicated)).toBe(5_000 - held);
  expect(after?.storages?.[4]).toMatchObject({ healthy: false, inSync: 0n, primaries: 0n });
});
