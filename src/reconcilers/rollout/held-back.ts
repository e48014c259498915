import type { ClusterState } from './cluster-state.ts';
import { forEachSet } from './placements.ts';

/** What repositories keep storages from going, by storage. */
export interface HeldBack {
  /** How many would have too few available replicas without it. */
  readonly repositories: Float64Array;
  /** The first set of them; -1 where there is none. */
  readonly firstSet: Int32Array;
}

/**
 * Looks at each storage that is available: which repositories would have too few available replicas if it alone went
 * too?
 *
 * @param unavailable by storage, 1 for what is not available. Nothing holds these back.
 */
export function heldBack(
  { placements, required }: ClusterState,
  unavailable: Uint8Array,
): HeldBack {
  const { members, repositories: counts } = placements;
  const repositories = new Float64Array(unavailable.length);
  const firstSet = new Int32Array(unavailable.length).fill(-1);
  forEachSet(placements, (set, from, to) => {
    let available = 0;
    for (let at = from; at < to; at++) available += 1 - (unavailable[members[at] ?? 0] ?? 0);
    if (available > (required[members[from] ?? 0] ?? 0)) return;
    for (let at = from; at < to; at++) {
      const member = members[at] ?? 0;
      if (unavailable[member] === 1) continue;
      repositories[member] = (repositories[member] ?? 0) + (counts[set] ?? 0);
      if (firstSet[member] === -1) firstSet[member] = set;
    }
  });
  return { repositories, firstSet };
}
