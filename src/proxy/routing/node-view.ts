/** What a proxy knows of one storage right now. */
export interface NodeStatus {
  readonly storage: string;
  /** Whether calls may be sent there. */
  readonly healthy: boolean;
  /** Why not, for people. */
  readonly reason?: string | undefined;
  /** Whether it fails writes that others can do. It is a primary only if no other can be. Default false. */
  readonly failsWrites?: boolean;
  /** Whether it is about to go: clients are kept away from it as far as others can serve them. Default false. */
  readonly isDraining?: boolean;
  /** What may fail as a whole, such as a data centre. Undefined if nobody knows: then it is in none. */
  readonly zone?: string | undefined;
  /** How often new replicas go there: see `placement-weight.ts`. Default: as often as to most others. */
  readonly weight?: number;
  /** Whether hardly anything is free on its disk. Default false. */
  readonly isFull?: boolean;
  /**
   * Whether it is to hold nothing in the end: its replicas move elsewhere, and no new one is made there. It is
   * draining too. Default false.
   */
  readonly isDecommissioned?: boolean;
  /** Whether it has been healthy for a while, so that primaries may come back to it. Default false. */
  readonly isSteady?: boolean;
  /** Calls that this proxy has running there. */
  readonly outstanding: number;
  /**
   * Whether calls go out there at the end of this turn of the event loop, in one write. One more in that
   * write costs a fraction of what a write of its own costs.
   */
  readonly isWriting: boolean;
}

/** The storages of one virtual storage, by name. */
export type NodeView = ReadonlyMap<string, NodeStatus>;

/** Whether clients are to be kept away from the storage. */
export function isDraining(nodes: NodeView, storage: string): boolean {
  return nodes.get(storage)?.isDraining ?? false;
}

/** Whether replicas are to move away from the storage. */
export function isDecommissioned(nodes: NodeView, storage: string): boolean {
  return nodes.get(storage)?.isDecommissioned ?? false;
}

export function isHealthy(nodes: NodeView, storage: string): boolean {
  return nodes.get(storage)?.healthy ?? false;
}
