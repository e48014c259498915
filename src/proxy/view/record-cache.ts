import { RecentMap } from '../../base/recent-map.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';

/**
 * Records of repositories, the ones used lately. Looked up for each call: by the two names as they
 * are, since one key of both would have to be put together and hashed each time.
 */
export class RecordCache {
  readonly #limit: number;
  readonly #virtualStorages = new Map<string, RecentMap<string, RepositoryRecord>>();

  /** @param limit how many are kept of each virtual storage */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get({ virtualStorage, relativePath }: RepositoryKey): RepositoryRecord | undefined {
    return this.#virtualStorages.get(virtualStorage)?.get(relativePath);
  }

  has({ virtualStorage, relativePath }: RepositoryKey): boolean {
    return this.#virtualStorages.get(virtualStorage)?.has(relativePath) ?? false;
  }

  set(record: RepositoryRecord): void {
    const { virtualStorage, relativePath } = record;
    let records = this.#virtualStorages.get(virtualStorage);
    if (records === undefined) {
      records = new RecentMap(this.#limit);
      this.#virtualStorages.set(virtualStorage, records);
    }
    records.set(relativePath, record);
  }

  delete({ virtualStorage, relativePath }: RepositoryKey): void {
    this.#virtualStorages.get(virtualStorage)?.delete(relativePath);
  }

  clear(): void {
    this.#virtualStorages.clear();
  }
}
