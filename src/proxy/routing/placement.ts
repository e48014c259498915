import { pickWeighted, type Random } from '../../base/random.ts';
import { isDraining, isHealthy, type NodeStatus, type NodeView } from './node-view.ts';
import { typicalWeight } from './placement-weight.ts';
import { inSyncVoters, type RepositoryRecord } from './repository-record.ts';
import { primaryFirst, type ReplicationPolicy, type Unavailable } from './route.ts';

export type PlacementRoute =
  | {
      readonly kind: 'place';
      readonly primary: string;
      /** Primary first. */
      readonly voters: readonly string[];
      /** Storages out of reach that make up what is missing; they get their replicas by repair. */
      readonly absent: readonly string[];
    }
  | Unavailable;

/**
 * Where a new repository goes: to `replicationFactor` storages, chosen as {@link chooseStorages} says.
 *
 * 1. Those that can be reached, and those that are away while they are drained: they come back, and in their zone
 *    there may be no other.
 * 2. What is missing then is made up of others that are out of reach.
 *
 * None goes to a storage that is decommissioned. Weights never refuse a repository: who has set one to zero does not want an
 * outage.
 */
export function placeRepository(
  nodes: NodeView,
  policy: ReplicationPolicy,
  random: Random,
): PlacementRoute {
  const { replicationFactor, minInSyncReplicas: staying } = policy;
  const all = [...nodes.values()].filter((node) => node.isDecommissioned !== true);
  const expected = all.filter((node) => node.healthy || node.isDraining);
  const chosen = chooseStorages(expected, replicationFactor, { staying, random });
  const voters = stayingFirst(chosen.filter((node) => node.healthy).map(nameOf), nodes);
  const [primary] = voters;
  if (primary === undefined || voters.length < staying) {
    const healthy = all.filter((node) => node.healthy);
    return {
      kind: 'unavailable',
      reason:
        `a new repository needs ${staying} storages, ` +
        `and ${healthy.length} of ${all.length} can be reached`,
    };
  }
  const missing = chooseStorages(
    all.filter((node) => !expected.includes(node)),
    replicationFactor - chosen.length,
    { holders: chosen, random },
  );
  const absent = [...chosen.filter((node) => !node.healthy), ...missing].map(nameOf);
  return { kind: 'place', primary, voters, absent };
}

/**
 * Where a new repository goes that shares objects with `other`: on the same storages, whatever they weigh. Where
 * that one is in sync and healthy, the new one is made at once, its primary first.
 */
export function placeBeside(
  other: RepositoryRecord,
  nodes: NodeView,
  policy: ReplicationPolicy,
): PlacementRoute {
  const healthy = inSyncVoters(other).filter((storage) => isHealthy(nodes, storage));
  const voters = stayingFirst(primaryFirst(healthy, other.primary), nodes);
  const [primary] = voters;
  if (primary === undefined || voters.length < policy.minInSyncReplicas) {
    return {
      kind: 'unavailable',
      reason:
        `a new repository needs ${policy.minInSyncReplicas} storages with ${other.relativePath}, ` +
        `and ${voters.length} of ${other.replicas.length} are in sync and can be reached`,
    };
  }
  const absent = other.replicas
    .filter(({ storage, role }) => role !== 'leaving' && !voters.includes(storage))
    .map(({ storage }) => storage);
  return { kind: 'place', primary, voters, absent };
}

export interface PlacementOptions {
  /** Storages that have a replica already. Default: none. */
  readonly holders?: readonly NodeStatus[];
  /** So many are to be healthy and not drained: then the repository can be written while the others are away. Default 0. */
  readonly staying?: number;
}

/**
 * Chooses storages one after the other, each at random by its weight among the {@link bestStorages}.
 *
 * @returns as many as are asked for, or all of them if there are fewer
 */
export function chooseStorages(
  candidates: readonly NodeStatus[],
  count: number,
  { holders = [], staying, random }: PlacementOptions & { readonly random: Random },
): readonly NodeStatus[] {
  const chosen: NodeStatus[] = [];
  while (chosen.length < count) {
    const left = candidates.filter((node) => !chosen.includes(node));
    const best = bestStorages(left, {
      holders: [...holders, ...chosen],
      ...(staying !== undefined && { staying }),
    });
    const next = pickByWeight(best, random);
    if (next === undefined) return chosen;
    chosen.push(next);
  }
  return chosen;
}

/**
 * The storages that a further replica may go to:
 *
 * 1. As long as fewer than `staying` have one that are healthy and not being drained: these, or else healthy ones.
 * 2. Those that weigh something, then those that weigh nothing, then full ones.
 * 3. Those in whose zone there are the fewest replicas, so that they are in as many zones as there are.
 * 4. Healthy ones, and of these the ones that are not being drained.
 */
export function bestStorages(
  candidates: readonly NodeStatus[],
  { holders = [], staying = 0 }: PlacementOptions,
): readonly NodeStatus[] {
  const areMissing = holders.filter((node) => absence(node) === 0).length < staying;
  return bestOf(candidates, (node) => [
    areMissing ? absence(node) : 0,
    reluctance(node),
    holders.filter(({ zone }) => zone !== undefined && zone === node.zone).length,
    absence(node),
  ]);
}

/** One of them at random, by weight. Undefined if there are none. */
export function pickByWeight(
  candidates: readonly NodeStatus[],
  random: Random,
): NodeStatus | undefined {
  return pickWeighted(random, candidates, ({ weight = typicalWeight }) => weight);
}

/** 0: it is there and stays; 1: it is about to go; 2: it is away. */
function absence({ healthy, isDraining: goes = false }: NodeStatus): number {
  if (!healthy) return 2;
  return goes ? 1 : 0;
}

function reluctance({ weight, isFull = false }: NodeStatus): number {
  if (isFull) return 2;
  return weight === 0 ? 1 : 0;
}

/** Those whose ranks are the least, where the first figure that differs decides. */
function bestOf<T>(items: readonly T[], rankOf: (item: T) => readonly number[]): readonly T[] {
  const ranked = items.map((item) => ({ item, rank: rankOf(item) }));
  const [first] = ranked.toSorted((a, b) => compareRanks(a.rank, b.rank));
  if (first === undefined) return [];
  return ranked.filter(({ rank }) => compareRanks(rank, first.rank) === 0).map(({ item }) => item);
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  const differing = a.findIndex((figure, index) => figure !== b[index]);
  return differing < 0 ? 0 : (a[differing] ?? 0) - (b[differing] ?? 0);
}

/** The same storages, those that are being drained last. */
function stayingFirst(storages: readonly string[], nodes: NodeView): readonly string[] {
  return storages.toSorted((a, b) => Number(isDraining(nodes, a)) - Number(isDraining(nodes, b)));
}

function nameOf({ storage }: NodeStatus): string {
  return storage;
}
