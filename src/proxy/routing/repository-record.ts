/**
 * What the control store knows of one repository. The words are those of replicated logs: a write
 * is an entry, the LSN is the position of the last one, and a replica is in sync when it is there.
 */
export interface RepositoryRecord {
  /** Never used again, not even after removal. */
  readonly id: bigint;
  readonly virtualStorage: string;
  /** The path that GitLab uses. Unique in the virtual storage. */
  readonly relativePath: string;
  /** The path on each storage. Derived from the id when the repository was made, then never again. */
  readonly replicaPath: string;
  /** Grows with every change of the record: the token of compare-and-swap. */
  readonly version: bigint;
  /**
   * Grows when a primary falls behind, a dead owner's writes are settled or a loss is accepted: fences
   * everything older. Not when the primary only moves: what began with the old one goes on.
   */
  readonly epoch: bigint;
  /** Number of writes that were completed. */
  readonly lsn: bigint;
  /** Storage name. In sync at {@link lsn} (invariant I5). */
  readonly primary: string;
  /** At least one, storage names unique. */
  readonly replicas: readonly Replica[];
  /** Writes that may have changed something and are not settled. At most {@link maxIntents}. */
  readonly intents: readonly Intent[];
  /** Set while one repair brings a replica in sync: no new intent is taken. */
  readonly barrier?: Barrier;
}

/** Voters decide writes; learners take part but do not count; leaving ones get nothing new. */
export type ReplicaRole = 'voter' | 'learner' | 'leaving';

export interface Replica {
  readonly storage: string;
  /** The last write that it surely holds. In sync: equal to the record's. */
  readonly lsn: bigint;
  readonly role: ReplicaRole;
  /** Set while it is being brought in sync: as long as the owner lives, nobody else may do that. */
  readonly repair?: RepairClaim;
  /** Why the last repair has failed, for people. Gone when one has succeeded. */
  readonly lastFailure?: string;
  /**
   * The storage whose replica is given up once this one is in sync: it moves, see {@link Move}. Of no effect if
   * there is none.
   */
  readonly replaces?: string;
}

/** The right to change a replica that is behind, and to declare it in sync. */
export interface RepairClaim {
  /** Unique over all proxies and time. */
  readonly id: string;
  /** The proxy that repairs, as in its lease. */
  readonly owner: string;
  /** What it has copied so far is gone: it keeps others out until it has ended, and that is all. */
  readonly isVoid?: true;
}

/** A write in flight, made durable before the first node is told to commit (invariant I1). */
export interface Intent {
  /** Unique over all proxies and time. */
  readonly transaction: string;
  /** The proxy that runs it, as in its lease. */
  readonly owner: string;
  readonly kind: 'write' | 'creation';
  readonly epoch: bigint;
  /** Storages whose votes count. All were in sync when the intent was taken. */
  readonly voters: readonly string[];
  /** True if it changes nothing any more: its owner only compares what it has left behind. */
  readonly hasEnded?: true;
}

export interface Barrier {
  /** The proxy that repairs or compares, as in its lease. */
  readonly owner: string;
  /** Milliseconds since 1970-01-01 UTC, by the store's clock; after that it counts for nothing. */
  readonly expiresAtMs: number;
  /** True if it stands for writes that have ended: it goes with the last of them. */
  readonly forComparison?: true;
}

/** A repository with more writes in flight refuses further ones until some are settled. */
export const maxIntents = 64;

/** Storages that hold every completed write and vote, in the record's order. */
export function inSyncVoters(record: RepositoryRecord): readonly string[] {
  return record.replicas
    .filter((replica) => replica.role === 'voter' && replica.lsn === record.lsn)
    .map((replica) => replica.storage);
}

export function isInSync(record: RepositoryRecord, storage: string): boolean {
  return record.replicas.some(
    (replica) =>
      replica.storage === storage && replica.role !== 'leaving' && replica.lsn === record.lsn,
  );
}

/** A replica goes from one storage to another: there is one on `to`, in sync, before the one on `from` is given up. */
export interface Move {
  readonly from: string;
  readonly to: string;
}

/** The move that is under way, if any: the record itself tells, in `Replica.replaces`. */
export function moveOf({ replicas }: Pick<RepositoryRecord, 'replicas'>): Move | undefined {
  const target = replicas.find(
    ({ role, replaces }) => role !== 'leaving' && replaces !== undefined,
  );
  return target?.replaces === undefined ? undefined : { from: target.replaces, to: target.storage };
}
