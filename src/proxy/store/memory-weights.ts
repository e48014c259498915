import type { ConfiguredWeight } from '../routing/placement-weight.ts';
import { isSameStorage, type StorageKey } from './storage-identity.ts';
import type { StorageWeight } from './weight-table.ts';

/** The weights in a memory database: see {@link WeightTable}. Each method is one atomic step. */
export class MemoryWeights {
  #weights: readonly StorageWeight[] = [];

  set({ virtualStorage, storage }: StorageKey, weight: ConfiguredWeight): void {
    const key = { virtualStorage, storage };
    const others = this.#weights.filter((known) => !isSameStorage(known, key));
    this.#weights = weight === 'auto' ? others : [...others, { ...key, weight }];
  }

  list(): readonly StorageWeight[] {
    return this.#weights;
  }
}
