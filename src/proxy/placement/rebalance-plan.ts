import type { NodeView } from '../routing/node-view.ts';
import { moveRefusal } from '../routing/replica-move.ts';
import type { Move, Replica, RepositoryRecord } from '../routing/repository-record.ts';
import type { ReplicationPolicy } from '../routing/route.ts';

export interface StorageShare {
  readonly storage: string;
  /** Replicas that are there, or will be when what moves has arrived. */
  readonly replicas: number;
  /** More than 0: one with twice as much is to have twice as many. */
  readonly capacity: number;
}

export interface RebalanceOptions {
  readonly storages: readonly StorageShare[];
  readonly nodes: NodeView;
  readonly policy: ReplicationPolicy;
  /** Storages whose loads differ by less than that part of the average are left as they are. 0 or more. */
  readonly tolerance: number;
}

/** A storage's share while a plan is made. */
interface Balance {
  readonly storage: string;
  readonly capacity: number;
  /** What it is to have at most when it takes, and at least when it gives. */
  readonly bounds: { readonly most: number; readonly least: number };
  /** By what it has at first. Both only where its zone has another average than all. */
  readonly gives: boolean;
  readonly takes: boolean;
  replicas: number;
}

interface Pair {
  readonly from: Balance;
  readonly to: Balance;
}

/**
 * Plans which replicas move so that each storage has its share of them (pure). It is shown each repository once, in any
 * order, and remembers none: what it knows is one number for each storage. The same repositories in the same order give the same
 * moves.
 *
 * Each move takes from a storage with more than the average, of all or of its zone, and gives to one with less: so nothing moves
 * twice. Each lessens the imbalance (the sum of squares of replicas, over capacity), and none is one that {@link moveRefusal}
 * speaks against. Storages that weigh 0 by hand neither take nor give; a full disk gives.
 */
export class RebalancePlan {
  readonly #options: RebalanceOptions;
  readonly #balances: ReadonlyMap<string, Balance>;
  /** The one with the least load first. */
  readonly #takers: Balance[];
  /** Loads that differ by no more than that are left as they are. */
  readonly #slack: number;

  constructor(options: RebalanceOptions) {
    const { storages, nodes, tolerance } = options;
    this.#options = options;
    const taking = storages.filter(({ storage }) => takesPart(storage, nodes));
    const average = loadOf(taking);
    const zoneOf = (storage: string) => nodes.get(storage)?.zone;
    this.#slack = tolerance * average;
    this.#balances = new Map(
      taking.map(({ storage, capacity, replicas }) => {
        const near = loadOf(taking.filter((each) => zoneOf(each.storage) === zoneOf(storage)));
        const bounds = { most: Math.max(average, near), least: Math.min(average, near) };
        const load = replicas / capacity;
        const roles = { gives: load > bounds.least, takes: load < bounds.most };
        return [storage, { storage, capacity, replicas, bounds, ...roles }];
      }),
    );
    this.#takers = [...this.#balances.values()].filter(({ takes }) => takes).toSorted(byLoad);
  }

  /** How many replicas a storage has after all moves that were chosen; undefined if it takes no part. */
  replicasOf(storage: string): number | undefined {
    return this.#balances.get(storage)?.replicas;
  }

  /** Whether no further move can lessen the imbalance, whatever repositories there are. */
  get isBalanced(): boolean {
    const givers = [...this.#balances.values()].filter(hasTooMany);
    return !givers.some((from) => this.#takers.some((to) => this.#lessens(from, to)));
  }

  /**
   * The moves of a repository, to be made one after the other; they count as done from now on. Replicas that are not the
   * primary move first: nobody notices anything of that. The primary moves only if nothing else of it does.
   *
   * @param most so many at most
   */
  movesOf(record: RepositoryRecord, most = Infinity): readonly Move[] {
    const moves: Move[] = [];
    for (let current = record; ;) {
      const best = this.#bestMove(current);
      if (best === undefined || moves.length >= most) return moves;
      const { from, to } = best;
      const isPrimary = from.storage === record.primary;
      if (isPrimary && moves.length > 0) return moves;
      from.replicas -= 1;
      to.replicas += 1;
      this.#takers.sort(byLoad);
      moves.push({ from: from.storage, to: to.storage });
      if (isPrimary) return moves;
      current = withReplicaMoved(current, from.storage, to.storage);
    }
  }

  #bestMove(record: RepositoryRecord): Pair | undefined {
    const { nodes, policy } = this.#options;
    const givers = record.replicas
      .flatMap(({ storage }) => this.#balances.get(storage) ?? [])
      .filter(hasTooMany)
      .toSorted(byPrimaryAndLoad(record.primary));
    let best: Pair | undefined;
    for (const from of givers) {
      if (best !== undefined && from.storage === record.primary) break;
      const least = Math.max(this.#slack, best === undefined ? 0 : gain(best));
      const to = this.#takers.find((taker) => {
        // Those that come later gain less: looked for no further.
        if (gain({ from, to: taker }) <= least) return true;
        const move = { from: from.storage, to: taker.storage };
        const lessens = this.#lessens(from, taker);
        return lessens && moveRefusal(record, move, nodes, policy) === undefined;
      });
      if (to !== undefined && gain({ from, to }) > least) best = { from, to };
    }
    return best;
  }

  #lessens(from: Balance, to: Balance): boolean {
    return (
      to.replicas / to.capacity < to.bounds.most &&
      gain({ from, to }) > this.#slack &&
      (from.replicas - 1) / from.capacity >= (to.replicas + 1) / to.capacity
    );
  }
}

function withReplicaMoved(record: RepositoryRecord, from: string, to: string): RepositoryRecord {
  const move = (replica: Replica) =>
    replica.storage === from ? { ...replica, storage: to } : replica;
  return { ...record, replicas: record.replicas.map(move) };
}

function takesPart(storage: string, nodes: NodeView): boolean {
  const { isDecommissioned = false, weight, isFull = false } = nodes.get(storage) ?? { weight: 0 };
  return !isDecommissioned && (weight !== 0 || isFull);
}

function hasTooMany({ gives, replicas, capacity, bounds }: Balance): boolean {
  return gives && replicas / capacity > bounds.least;
}

function gain({ from, to }: Pair): number {
  return from.replicas / from.capacity - to.replicas / to.capacity;
}

function byLoad(a: Balance, b: Balance): number {
  return a.replicas / a.capacity - b.replicas / b.capacity;
}

/** The primary last, and what has the most first. */
function byPrimaryAndLoad(primary: string) {
  return (a: Balance, b: Balance) =>
    Number(a.storage === primary) - Number(b.storage === primary) || byLoad(b, a);
}

/** Replicas for each unit of capacity. */
function loadOf(shares: readonly StorageShare[]): number {
  const sum = (of: (share: StorageShare) => number) =>
    shares.reduce((total, share) => total + of(share), 0);
  return sum(({ replicas }) => replicas) / sum(({ capacity }) => capacity);
}
