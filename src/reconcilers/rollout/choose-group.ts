import { otherZones, zonesAway } from './busy-zones.ts';
import type { ClusterState } from './cluster-state.ts';
import { findConflicts } from './conflicts.ts';
import type { HeldBack } from './held-back.ts';
import { largestGroup } from './largest-group.ts';
import type { RolloutStorage } from './rollout-storage.ts';

/**
 * Chooses who goes now.
 *
 * 1. Disrupted candidates go first.
 * 2. Of the others those are left that no repository and no zone keeps from going alone.
 * 3. Of those the largest group without conflicts is looked for: see `findConflicts` and `largestGroup`.
 *
 * @param heldAlone what keeps storages from going while only the disrupted ones are away
 * @returns indexes of storages
 */
export function chooseGroup(state: ClusterState, heldAlone: HeldBack): ReadonlySet<number> {
  const { storages, wanted, disrupted, limits } = state;
  const replaced = wanted
    .filter((index) => disrupted[index] === 1)
    .slice(0, Math.max(0, limits.groupSize));
  const unavailable = disrupted.reduce((sum, one) => sum + one, 0);
  const room = Math.min(limits.groupSize - replaced.length, limits.maxUnavailable - unavailable);
  if (room <= 0) return new Set(replaced);
  const busyZones = zonesAway(storages, disrupted);
  const free = wanted.filter((index) => {
    const storage = storages[index];
    if (storage === undefined || storage.disrupted) return false;
    return heldAlone.repositories[index] === 0 && otherZones(busyZones, storage).length === 0;
  });
  const parts = byZone(storages, free);
  return new Set([...replaced, ...largestGroup(findConflicts(state, free), parts, room)]);
}

/** For each zone the candidates that may go with it: also those whose zone is not known. */
function byZone(
  storages: readonly RolloutStorage[],
  candidates: readonly number[],
): readonly (readonly number[])[] {
  const zones = new Set(candidates.flatMap((index) => storages[index]?.zone ?? []));
  if (zones.size === 0) return [candidates];
  return [...zones].map((zone) =>
    candidates.filter((index) => (storages[index]?.zone ?? zone) === zone),
  );
}
