import { otherZones, zonesAway } from './busy-zones.ts';
import type { ClusterState } from './cluster-state.ts';
import { heldBack, type HeldBack } from './held-back.ts';
import type { BlockingRepository, WaitingReason } from './waiting-reason.ts';

/**
 * Tells for each candidate that is not in the group a limit that it would break. If there are several, the one that
 * lasts longest: repositories that lack replicas already, then zones, then repositories that the group concerns, and
 * last how many may go.
 *
 * @param heldAlone what keeps storages from going while only the disrupted ones are away
 */
export function explainWaiting(
  state: ClusterState,
  heldAlone: HeldBack,
  group: ReadonlySet<number>,
): (storage: number) => WaitingReason {
  const { storages, disrupted, limits } = state;
  const { groupSize, maxUnavailable } = limits;
  const away = disrupted.slice();
  for (const index of group) away[index] = 1;
  const unavailable = away.reduce((sum, one) => sum + one, 0);
  const held = heldBack(state, away);
  const busyZones = zonesAway(storages, away);
  return (index) => {
    const groupFull: WaitingReason = { kind: 'groupFull', groupSize };
    const storage = storages[index];
    if (storage === undefined || storage.disrupted) return groupFull;
    const byRepositories = ({ repositories, firstSet }: HeldBack): WaitingReason => ({
      kind: 'repositories',
      repositories: repositories[index] ?? 0,
      example: blockingRepository(state, firstSet[index] ?? -1, away, index),
    });
    if (heldAlone.repositories[index] !== 0) return byRepositories(heldAlone);
    const { zone } = storage;
    const others = otherZones(busyZones, storage);
    if (zone !== undefined && others.length > 0) {
      return { kind: 'otherZone', zone, busyZones: others };
    }
    if (held.repositories[index] !== 0) return byRepositories(held);
    if (unavailable >= maxUnavailable) {
      return { kind: 'maxUnavailable', maxUnavailable, unavailable };
    }
    return groupFull;
  };
}

function blockingRepository(
  { storages, placements, required }: ClusterState,
  set: number,
  away: Uint8Array,
  waiting: number,
): BlockingRepository {
  const { offsets, members, examples } = placements;
  const inSync = [...members.subarray(offsets[set], offsets[set + 1])];
  const missing = inSync.filter((index) => index === waiting || away[index] === 1);
  return {
    virtualStorage: storages[waiting]?.virtualStorage ?? '',
    relativePath: examples.at(set) ?? '',
    missing: missing.flatMap((index) => storages[index] ?? []),
    available: inSync.length - missing.length,
    required: required[waiting] ?? 0,
  };
}
