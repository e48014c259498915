import type { GroupRequest } from './group-request.ts';
import { forEachSet, type Placements } from './placements.ts';
import type { RolloutStorage } from './rollout-storage.ts';

/** A request with storages as indexes, and found to be free of contradictions. */
export interface ClusterState extends GroupRequest<RolloutStorage> {
  /** The candidates' indexes, the preferred first. */
  readonly wanted: readonly number[];
  /** By storage, 1 for what is disrupted. */
  readonly disrupted: Uint8Array;
  /** By storage, the `minAvailableReplicas` of its virtual storage. */
  readonly required: Uint32Array;
}

/** @throws Error if the request contradicts itself */
export function clusterState(request: GroupRequest<RolloutStorage>): ClusterState {
  const { storages, candidates, placements, limits } = request;
  checkMembers(placements, storages);
  return {
    ...request,
    wanted: indexesOf(candidates, storages),
    disrupted: Uint8Array.from(storages, ({ disrupted }) => Number(disrupted)),
    required: Uint32Array.from(storages, ({ virtualStorage }) => {
      const least = limits.minAvailableReplicas.get(virtualStorage);
      if (least !== undefined) return least;
      throw new Error(`no minAvailableReplicas is given for virtual storage ${virtualStorage}`);
    }),
  };
}

function indexesOf(
  candidates: readonly RolloutStorage[],
  storages: readonly RolloutStorage[],
): readonly number[] {
  const indexes = new Map(storages.map((storage, index) => [storage, index]));
  const found = new Set<number>();
  for (const candidate of candidates) {
    const index = indexes.get(candidate);
    if (index === undefined) throw new Error(`candidate ${candidate.name} is not in the cluster`);
    found.add(index);
  }
  return [...found];
}

function checkMembers(placements: Placements, storages: readonly RolloutStorage[]): void {
  const { members, examples } = placements;
  const names = [...new Set(storages.map(({ virtualStorage }) => virtualStorage))];
  const numbers = new Map(names.map((name, number) => [name, number]));
  const numberOf = storages.map(({ virtualStorage }) => numbers.get(virtualStorage));
  forEachSet(placements, (set, from, to) => {
    const first = numberOf[members[from] ?? -1];
    for (let at = from; at < to; at++) {
      const number = numberOf[members[at] ?? -1];
      if (number !== undefined && number === first) continue;
      throw new Error(`${examples.at(set)} is not on storages of one virtual storage`);
    }
  });
}
