import { isSameStorage, type StorageKey } from './storage-identity.ts';
import type { StorageSetting } from './storage-settings.ts';

/** Settings in a memory database: see {@link StorageSettings}. Each method is one atomic step. */
export class MemorySettings<T> {
  #settings: readonly StorageSetting<T>[] = [];

  set({ virtualStorage, storage }: StorageKey, value: T | undefined): void {
    const key = { virtualStorage, storage };
    const others = this.#settings.filter((known) => !isSameStorage(known, key));
    this.#settings = value === undefined ? others : [...others, { ...key, value }];
  }

  list(): readonly StorageSetting<T>[] {
    return this.#settings;
  }
}
