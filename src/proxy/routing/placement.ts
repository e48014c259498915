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
 * Where a new repository goes: to `replicationFactor` storages, healthy ones first, which are chosen as
 * {@link chooseStorages} says. `minInSyncReplicas` of them stay if so many do, so that it can be written while
 * the others are away. None goes to a storage that is decommissioned. Weights never refuse a repository: who has
 * set one to zero does not want an outage.
 */
export function placeRepository(
  nodes: NodeView,
  policy: ReplicationPolicy,
  random: Random,
): PlacementRoute {
  const { replicationFactor, minInSyncReplicas } = policy;
  const all = [...nodes.values()].filter((node) => node.isDecommissioned !== true);
  const healthy = all.filter((node) => node.healthy);
  const chosen = chooseStorages(healthy, replicationFactor, { staying: minInSyncReplicas, random });
  const voters = stayingFirst(chosen.map(nameOf), nodes);
  const [primary] = voters;
  if (primary === undefined || voters.length < minInSyncReplicas) {
    return {
      kind: 'unavailable',
      reason:
        `a new repository needs ${minInSyncReplicas} storages, ` +
        `and ${healthy.length} of ${all.length} can be reached`,
    };
  }
  const unhealthy = all.filter((node) => !node.healthy);
  const absent = chooseStorages(unhealthy, replicationFactor - voters.length, { random });
  return { kind: 'place', primary, voters, absent: absent.map(nameOf) };
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

/**
 * Chooses storages one after the other, each at random by its weight among those that are best:
 *
 * 1. As long as fewer than `staying` are chosen that are not being drained: one of these.
 * 2. One that weighs something, then one that weighs nothing, then one that is full.
 * 3. One that is not being drained.
 *
 * @returns as many as are asked for, or all of them if there are fewer
 */
function chooseStorages(
  candidates: readonly NodeStatus[],
  count: number,
  options: {
    /** Default 0. */
    readonly staying?: number;
    readonly random: Random;
  },
): readonly NodeStatus[] {
  const { staying = 0, random } = options;
  const chosen: NodeStatus[] = [];
  while (chosen.length < count) {
    const needsStaying = chosen.filter((node) => !node.isDraining).length < staying;
    const best = bestOf(
      candidates.filter((node) => !chosen.includes(node)),
      (node) => {
        const goes = node.isDraining ?? false;
        return [Number(needsStaying && goes), reluctance(node), Number(goes)];
      },
    );
    const next = pickWeighted(random, best, ({ weight = typicalWeight }) => weight);
    if (next === undefined) return chosen;
    chosen.push(next);
  }
  return chosen;
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
