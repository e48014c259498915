import { describe, expect, test } from '@jest/globals';
import {
  anyRequest,
  brokenLimits,
  lacks,
  largestByBruteForce,
  onePerZone,
  type SmallRequest,
} from '../../../test/support/group-requests.ts';
import { fc } from '../../../test/support/properties.ts';
import { planGroup } from './plan-group.ts';
import type { RolloutStorage } from './rollout-storage.ts';
import type { WaitingReason } from './waiting-reason.ts';

const runs = { numRuns: 500 };

describe('a plan for any cluster', () => {
  test('breaks no limit', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        expect(brokenLimits(request, planGroup(request).group)).toEqual([]);
      }),
      runs,
    );
  });

  test('has each candidate once, in order', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const { group, waiting } = planGroup(request);
        const waits = waiting.map(({ storage }) => storage);
        const isIn = (list: readonly RolloutStorage[]) => (one: RolloutStorage) =>
          list.includes(one);
        expect(group).toEqual(request.candidates.filter(isIn(group)));
        expect(waits).toEqual(request.candidates.filter(isIn(waits)));
        expect(group.length + waits.length).toBe(request.candidates.length);
      }),
      runs,
    );
  });

  test('lets nobody wait who could be added', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const { group, waiting } = planGroup(request);
        for (const { storage } of waiting) {
          expect(brokenLimits(request, [...group, storage])).not.toEqual([]);
        }
      }),
      runs,
    );
  });

  test('names a limit that the one that waits would break, and tells the truth of it', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const { group, waiting } = planGroup(request);
        for (const { storage, reason } of waiting) {
          expect(brokenLimits(request, [...group, storage])).toContain(reason.kind);
          checkReason(request, group, storage, reason);
        }
      }),
      runs,
    );
  });

  test('is the same for the same request', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        expect(planGroup(request)).toEqual(planGroup(request));
      }),
      { numRuns: 200 },
    );
  });

  test('has the largest group that there is', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        expect(planGroup(request).group).toHaveLength(largestByBruteForce(request));
      }),
      { numRuns: 200 },
    );
  });
});

test('where each repository has one replica in each zone, a whole zone goes', () => {
  fc.assert(
    fc.property(onePerZone, (request) => {
      const { group } = planGroup(request);
      const goes = new Set(group.filter(({ disrupted }) => !disrupted).map(({ zone }) => zone));
      const zones = request.storages.some(({ disrupted }) => disrupted) ? ['a'] : ['a', 'b', 'c'];
      const inZone = (zone: string) =>
        request.candidates.filter((one) => one.zone === zone || one.disrupted).length;
      expect(goes.size).toBeLessThan(2);
      expect(group).toHaveLength(Math.max(...zones.map(inZone)));
    }),
    { numRuns: 200 },
  );
});

function checkReason(
  request: SmallRequest,
  group: readonly RolloutStorage[],
  waiting: RolloutStorage,
  reason: WaitingReason,
): void {
  const { storages, sets, limits } = request;
  const isDisrupted = (one: RolloutStorage) => one.disrupted || one === waiting;
  const isAway = (one: RolloutStorage) => isDisrupted(one) || group.includes(one);
  switch (reason.kind) {
    case 'groupFull':
      expect(reason.groupSize).toBe(limits.groupSize);
      return;
    case 'maxUnavailable':
      expect(reason.maxUnavailable).toBe(limits.maxUnavailable);
      expect(reason.unavailable).toBe(storages.filter(isAway).length - 1);
      return;
    case 'otherZone': {
      const zones = new Set(storages.filter(isAway).flatMap(({ zone }) => zone ?? []));
      expect(reason.zone).toBe(waiting.zone);
      const others = [...zones].filter((zone) => zone !== waiting.zone);
      expect(reason.busyZones).toEqual(others.toSorted());
      return;
    }
    case 'repositories': {
      const heldBy = (away: (one: RolloutStorage) => boolean) =>
        sets.filter((set) => set.on.includes(waiting) && lacks(request, set, away));
      // Those that hold it back whatever the group is are told of alone.
      const away = heldBy(isDisrupted).length > 0 ? isDisrupted : isAway;
      const held = heldBy(away);
      expect(reason.repositories).toBe(held.reduce((sum, set) => sum + set.repositories, 0));
      const { virtualStorage, relativePath, missing, available, required } = reason.example;
      const example = held.find((set) => set.example === relativePath);
      expect(virtualStorage).toBe(waiting.virtualStorage);
      expect(missing).toEqual(example?.on.filter(away));
      expect(available).toBe((example?.on.length ?? 0) - missing.length);
      expect(required).toBe(limits.minAvailableReplicas.get(virtualStorage));
    }
  }
}
