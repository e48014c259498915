import type { ClusterState } from './cluster-state.ts';
import { forEachSet, type Placements } from './placements.ts';
import type { RolloutStorage } from './rollout-storage.ts';

/** Which candidates may not go together: a hypergraph, whose vertices are storages, by index. */
export interface Conflicts {
  /** The preferred first. */
  readonly candidates: readonly number[];
  /** How many storages there are, candidates or not. */
  readonly size: number;
  /** `pairs[a * size + b]` is 1 if `a` and `b` may not go together. Symmetric, nobody is in conflict with itself. */
  readonly pairs: Uint8Array;
  readonly bounds: Bounds;
}

/** Sets of storages, of each of which no more than a limit, which is at least 2, may go. */
interface Bounds {
  readonly placements: Placements;
  /** By set of the placements: its limit, or 0 if it is not a bound. */
  readonly limits: Uint32Array;
  /** The bounds of storage `s` are `sets[offsets[s]]` up to, and without, `sets[offsets[s + 1]]`. */
  readonly offsets: Uint32Array;
  readonly sets: Uint32Array;
}

/**
 * Finds out what may not go together.
 *
 * 1. Storages of two zones are a pair.
 * 2. A repository can do without as many storages as are available beyond what it needs. If that is one, each
 *    two of its candidates are a pair.
 * 3. If it is more, its storages are a bound; unless so few of them are candidates, or so many of these are pairs by 1
 *    and 2, that it says nothing.
 *
 * @param candidates indexes of storages that are available and that no repository keeps from going alone
 */
export function findConflicts(
  { storages, placements, required, disrupted }: ClusterState,
  candidates: readonly number[],
): Conflicts {
  const size = storages.length;
  const pairs = zonePairs(storages);
  const limits = new Uint32Array(placements.repositories.length);
  const isCandidate = new Uint8Array(size);
  for (const candidate of candidates) isCandidate[candidate] = 1;
  // Used again for each set: half a million small lists would be most of what this costs.
  const concerned = new Uint32Array(size);
  const { members } = placements;
  forEachSet(placements, (set, from, to) => {
    let count = 0;
    let available = 0;
    for (let at = from; at < to; at++) {
      const storage = members[at] ?? 0;
      available += 1 - (disrupted[storage] ?? 0);
      if (isCandidate[storage] === 0) continue;
      concerned[count] = storage;
      count += 1;
    }
    const spare = available - (required[members[from] ?? 0] ?? 0);
    if (count <= Math.max(spare, 0)) return;
    if (spare === 1) addPairs(pairs, size, concerned, count);
    else if (mostTogether(pairs, size, concerned, count) > spare) limits[set] = spare;
  });
  return { candidates, size, pairs, bounds: byStorage(placements, limits, size) };
}

function zonePairs(storages: readonly RolloutStorage[]): Uint8Array {
  const pairs = new Uint8Array(storages.length ** 2);
  for (const [a, { zone }] of storages.entries()) {
    for (const [b, { zone: other }] of storages.entries()) {
      if (zone !== undefined && other !== undefined && zone !== other)
        pairs[a * storages.length + b] = 1;
    }
  }
  return pairs;
}

/** Makes each two of the first `count` members a pair. */
function addPairs(pairs: Uint8Array, size: number, members: Uint32Array, count: number): void {
  for (let at = 1; at < count; at++) {
    const a = members[at] ?? 0;
    for (let before = 0; before < at; before++) {
      const b = members[before] ?? 0;
      pairs[a * size + b] = 1;
      pairs[b * size + a] = 1;
    }
  }
}

/** No more of the first `count` members than this can go together, as far as pairs tell. */
function mostTogether(
  pairs: Uint8Array,
  size: number,
  members: Uint32Array,
  count: number,
): number {
  let most = 0;
  for (let at = 0; at < count; at++) {
    const row = (members[at] ?? 0) * size;
    let together = 0;
    for (let other = 0; other < count; other++) {
      together += 1 - (pairs[row + (members[other] ?? 0)] ?? 0);
    }
    most = Math.max(most, together);
  }
  return most;
}

/** Counts the bounds of each storage, then puts each bound into its places: a counting sort. */
function byStorage(placements: Placements, limits: Uint32Array, size: number): Bounds {
  const { members } = placements;
  const offsets = new Uint32Array(size + 1);
  forEachSet(placements, (set, from, to) => {
    if (limits[set] === 0) return;
    for (let at = from; at < to; at++) {
      const next = (members[at] ?? 0) + 1;
      offsets[next] = (offsets[next] ?? 0) + 1;
    }
  });
  for (let storage = 0; storage < size; storage++) {
    offsets[storage + 1] = (offsets[storage + 1] ?? 0) + (offsets[storage] ?? 0);
  }
  const free = offsets.slice();
  const sets = new Uint32Array(offsets[size] ?? 0);
  forEachSet(placements, (set, from, to) => {
    if (limits[set] === 0) return;
    for (let at = from; at < to; at++) {
      const storage = members[at] ?? 0;
      const place = free[storage] ?? 0;
      sets[place] = set;
      free[storage] = place + 1;
    }
  });
  return { placements, limits, offsets, sets };
}
