import type { StorageKey } from './storage-identity.ts';

/**
 * One thing that somebody has said of storages, such as their weights. It holds until somebody says otherwise: drains
 * do not touch it, nor does it go with a storage's pod or volume.
 *
 * Every call rejects with a {@link StoreUnavailableError}, like those of the control store.
 */
export interface StorageSettings<T> {
  /** @param value undefined: what was said before is forgotten */
  set(key: StorageKey, value: T | undefined): Promise<void>;

  /** All that was said, in no order. */
  list(): Promise<readonly StorageSetting<T>[]>;
}

export interface StorageSetting<T> extends StorageKey {
  readonly value: T;
}
