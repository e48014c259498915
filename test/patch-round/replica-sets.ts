import { storagesOf, type Layout } from '../benchmark/plan/layouts.ts';
import { countSets } from '../benchmark/plan/placement-server.ts';

/** Where repositories are: each set of storages that holds some, once. */
export interface ReplicaSets {
  /** How many replicas each repository has. */
  readonly replicas: number;
  /** The storages' indexes, set by set, `replicas` for each. */
  readonly members: Uint16Array;
  /** By set: how many repositories are on exactly these storages. */
  readonly repositories: Uint32Array;
}

/** Draws where repositories with three replicas are, for a layout. */
export function drawSets(layout: Layout, repositories: number): ReplicaSets {
  const storages = storagesOf(layout).length;
  const members: number[] = [];
  const counts: number[] = [];
  for (const [key, count] of countSets(layout, storages, repositories).entries()) {
    if (count === 0) continue;
    members.push(
      Math.floor(key / storages ** 2),
      Math.floor(key / storages) % storages,
      key % storages,
    );
    counts.push(count);
  }
  return {
    replicas: 3,
    members: Uint16Array.from(members),
    repositories: Uint32Array.from(counts),
  };
}

/** The sets that have a replica on each storage, by storage. */
export function setsByStorage(sets: ReplicaSets, storages: number): readonly Uint32Array[] {
  const found = Array.from({ length: storages }, (): number[] => []);
  sets.members.forEach((storage, at) => found[storage]?.push(Math.floor(at / sets.replicas)));
  return found.map((numbers) => Uint32Array.from(numbers));
}

/** Counts for every repository how many of its replicas are usable. All are to begin with. */
export class ReplicaTally {
  readonly #sets: ReplicaSets;
  readonly #byStorage: readonly Uint32Array[];
  readonly #usable: boolean[];
  /** By set. */
  readonly #counts: Uint8Array;
  /** By number of usable replicas: how many repositories have so many. */
  readonly #repositories: number[];

  constructor(sets: ReplicaSets, byStorage: readonly Uint32Array[]) {
    this.#sets = sets;
    this.#byStorage = byStorage;
    this.#usable = byStorage.map(() => true);
    this.#counts = new Uint8Array(sets.repositories.length).fill(sets.replicas);
    this.#repositories = Array.from({ length: sets.replicas + 1 }, () => 0);
    this.#repositories[sets.replicas] = sets.repositories.reduce((sum, count) => sum + count, 0);
  }

  /** Says whether the replicas on a storage are usable from now on. */
  set(storage: number, usable: boolean): void {
    if (this.#usable[storage] === usable) return;
    this.#usable[storage] = usable;
    const change = usable ? 1 : -1;
    for (const set of this.#byStorage[storage] ?? []) {
      const before = this.#counts[set] ?? 0;
      const repositories = this.#sets.repositories[set] ?? 0;
      this.#counts[set] = before + change;
      this.#move(before, -repositories);
      this.#move(before + change, repositories);
    }
  }

  /** The fewest usable replicas that any repository has. */
  lowest(): number {
    return this.#repositories.findIndex((repositories) => repositories > 0);
  }

  /** How many repositories have so many usable replicas. */
  repositoriesWith(count: number): number {
    return this.#repositories[count] ?? 0;
  }

  #move(count: number, repositories: number): void {
    this.#repositories[count] = this.repositoriesWith(count) + repositories;
  }
}
