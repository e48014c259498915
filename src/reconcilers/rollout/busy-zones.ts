import type { RolloutStorage } from './rollout-storage.ts';

/** The known zones, sorted, in which storages are away. */
export function zonesAway(
  storages: readonly RolloutStorage[],
  unavailable: Uint8Array,
): readonly string[] {
  const zones = storages.flatMap(({ zone }, index) =>
    unavailable[index] === 1 ? (zone ?? []) : [],
  );
  return [...new Set(zones)].toSorted();
}

/** Those of `zones` that keep a storage of this zone from going; none if its zone is not known. */
export function otherZones(
  zones: readonly string[],
  { zone }: Pick<RolloutStorage, 'zone'>,
): readonly string[] {
  return zone === undefined ? [] : zones.filter((other) => other !== zone);
}
