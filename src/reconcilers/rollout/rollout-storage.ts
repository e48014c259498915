/** A storage, as far as it matters for which storages may go together. */
export interface RolloutStorage {
  readonly virtualStorage: string;
  /** Unique in the cluster. */
  readonly name: string;
  /** Where its pod runs, or its volume is. Undefined if nobody knows: then it counts as in no zone. */
  readonly zone?: string | undefined;
  /** How many repositories have their primary there. */
  readonly primaries: number;
  /**
   * Whether it is to be taken as not available already: its pod is not ready, it is not healthy, or it is being
   * drained, for whatever reason. One that is drained still takes writes: to have its replicas counted until its pod
   * is deleted, give it as not disrupted.
   */
  readonly disrupted: boolean;
}

/**
 * The storages in the order in which they had best go: disrupted ones first, since nobody misses what is not
 * available; then those with fewer primaries, as each has to move. Equal ones by name, so that the order is
 * always the same.
 */
export function inOrderOfPreference<S extends RolloutStorage>(
  storages: readonly S[],
): readonly S[] {
  return storages.toSorted(
    (a, b) =>
      Number(b.disrupted) - Number(a.disrupted) ||
      a.primaries - b.primaries ||
      compareText(a.virtualStorage, b.virtualStorage) ||
      compareText(a.name, b.name),
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
