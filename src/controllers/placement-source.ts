import type { ObservedPlacements } from '../reconcilers/rollout/roll-observation.ts';
import type { ProxyEndpoint } from './proxy-status-source.ts';

/** A storage, as far as it matters for where repositories are. */
export interface StorageName {
  readonly virtualStorage: string;
  readonly name: string;
}

/** Says where the repositories of a cluster are in sync. */
export interface PlacementSource {
  /**
   * Asks one proxy after the other until one has listed everything. Never rejects, and takes half a minute at most: for
   * the database it is a look at every record. One more set for each virtual storage has all its storages: so many of
   * these stay as a repository needs that is made meanwhile.
   *
   * @param token what callers sign with
   * @param storages those of the placements, in the order of their indexes. A replica elsewhere counts as none.
   */
  list(
    proxies: readonly ProxyEndpoint[],
    token: string,
    storages: readonly StorageName[],
  ): Promise<ObservedPlacements>;
}
