/** What the maintenance whose turn it is means for the roll of its cluster. */
export interface ActiveMaintenance {
  readonly groupSize: number;
  readonly maxUnavailable: number;
  /** By the node's name, what to do with a pod that is on it. */
  readonly nodesToClear: ReadonlyMap<string, NodeToClear>;
  /** Storages that wait for their node, by name, and since when that is up again (ms); undefined while it is not. */
  readonly awaiting: ReadonlyMap<string, number | undefined>;
}

/** A node whose storages are to leave, and that is cordoned before their pods go. */
export interface NodeToClear {
  readonly node: string;
  /** The mark that it gets: see `nodeMark`. */
  readonly mark: string;
  /** Why, for a person. */
  readonly reason: string;
}
