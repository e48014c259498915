/** A storage, as the records of repositories name it. */
export interface StorageKey {
  readonly virtualStorage: string;
  readonly storage: string;
}

export function isSameStorage(a: StorageKey, b: StorageKey): boolean {
  return a.virtualStorage === b.virtualStorage && a.storage === b.storage;
}

/**
 * Which volume a storage has. Gitaly writes a random id into `.gitaly-metadata` at the root of a
 * volume that has none, and tells it in `ServerInfo`: an empty volume, or another one, has another.
 */
export interface StorageIdentity extends StorageKey {
  /** Of the volume that the records of repositories speak of. */
  readonly filesystemId: string;
  /** Of another one that the storage has shown since. It holds nothing of what records say. */
  readonly replacement?: string;
  /** Grows with every change: the token of compare-and-swap. 0: not in the store yet. */
  readonly version: bigint;
}
