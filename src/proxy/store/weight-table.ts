import type { ConfiguredWeight } from '../routing/placement-weight.ts';
import type { StorageKey } from './storage-identity.ts';

/**
 * What people have said of how often new repositories go to a storage. It holds until somebody says otherwise:
 * drains do not touch it, nor does it go with the storage's pod or volume.
 *
 * Every call rejects with a {@link StoreUnavailableError}, like those of the control store.
 */
export interface WeightTable {
  /** @param weight a whole number of 0 or more; `auto`: what was said before is forgotten */
  set(key: StorageKey, weight: ConfiguredWeight): Promise<void>;

  /** All that people have set, in no order. */
  list(): Promise<readonly StorageWeight[]>;
}

export interface StorageWeight extends StorageKey {
  readonly weight: number;
}
