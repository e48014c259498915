import type { Stoppable } from '../../base/scope.ts';
import type { ReplicaRole, RepositoryRecord } from '../routing/repository-record.ts';
import type { DrainBoard } from './drain-board.ts';
import type { InSyncSetPage, InSyncSetQuery } from './in-sync-sets.ts';
import type { StorageIdentity, StorageKey } from './storage-identity.ts';
import type { StorageSettings } from './storage-settings.ts';
import type { VerificationQueue } from './verification-queue.ts';

/**
 * The one place where control state lives. All coordination between proxies goes through it; it is
 * never asked for file contents. Implementations: memory (tests), PostgreSQL.
 *
 * Every call rejects with {@link StoreUnavailableError} when the store cannot be reached within its
 * limit; a change may then have been made or not.
 */
export interface ControlStore extends Stoppable {
  /** The record, or undefined if there is no such repository. Always current, never cached. */
  get(key: RepositoryKey): Promise<RepositoryRecord | undefined>;
  getById(id: bigint): Promise<RepositoryRecord | undefined>;
  /** Those of at most 1000 ids that there are, in no order. */
  getMany(ids: readonly bigint[]): Promise<readonly RepositoryRecord[]>;

  /** Takes a fresh repository id. It is never given out again. */
  nextRepositoryId(): Promise<bigint>;

  /** Adds a record with version 1. `exists` if id or key is taken. */
  create(record: NewRepositoryRecord): Promise<CreateOutcome>;

  /**
   * Replaces the record with `next.id` if its version is still `next.version`, and gives it the
   * version after that. `stale` carries what is there now (undefined: removed).
   */
  compareAndSwap(next: RepositoryRecord): Promise<SwapOutcome>;

  /** Removes the record if its version is still `record.version`. */
  remove(record: RepositoryRecord): Promise<SwapOutcome>;

  /** Records in ascending order of id, `limit` at most, ids greater than `afterId` only. */
  list(query: ListQuery): Promise<readonly RepositoryRecord[]>;

  /**
   * The placements that records of a virtual storage have, each once, `limit` at most: found without looking at each
   * record. With `onlyBehind`, those in which some replica is not in sync: the ones with the fewest in-sync voters first.
   */
  placements(query: PlacementQuery): Promise<readonly Placement[]>;

  /** Sums over all records of a virtual storage, computed by the store. */
  summarize(query: SummaryQuery): Promise<StoreSummary>;

  /**
   * Where the repositories of a virtual storage are in sync, all as of one moment, page by page: so memory does not
   * grow with their number. Gives at least one page. A set may be in the list more than once.
   *
   * Rejects with `TooManyListsError` where a list is under way already, and is cut with {@link StoreUnavailableError}
   * when it has taken longer than its limit, the time of its reader included.
   */
  inSyncSets(query: InSyncSetQuery): AsyncIterable<InSyncSetPage>;

  /** Which volume a storage has, or undefined if that was never recorded. Always current. */
  getIdentity(key: StorageKey): Promise<StorageIdentity | undefined>;

  /**
   * Adds an identity whose version is 0, or replaces the one whose version is still `next.version`,
   * and gives it the version after that. False if somebody else was faster: nothing has changed.
   */
  putIdentity(next: StorageIdentity): Promise<boolean>;

  /** Whose replicas are to be compared next. */
  readonly verifications: VerificationQueue;

  /** Which storages are to have no clients. */
  readonly drains: DrainBoard;

  /** How often new repositories go to storages, as people have set it. */
  readonly weights: StorageSettings<number>;

  /** In which zones storages are. */
  readonly zones: StorageSettings<string>;

  /** Begins to report changes; resolves when nothing that happens from now on will be missed. */
  watch(events: WatchEvents): Promise<Stoppable>;

  /**
   * Announces this proxy as alive, or goes on doing so. While its lease lasts, other proxies wait
   * for its acknowledgement before they rely on a replica being out of the in-sync set.
   * Only possible while the watch is connected: a proxy that hears nothing must not hold others up.
   */
  renewLease(lease: { readonly owner: string; readonly durationMs: number }): Promise<void>;
  /** Gives the lease up at once. */
  releaseLease(owner: string): Promise<void>;
  /** Proxies whose lease has not run out, by the store's clock. */
  liveOwners(): Promise<ReadonlyMap<string, { readonly remainingMs: number }>>;

  /** Tells the other proxies that this one has taken note of that version. See {@link WatchEvents}. */
  acknowledge(owner: string, id: bigint, version: bigint): Promise<void>;
}

export interface RepositoryKey {
  readonly virtualStorage: string;
  readonly relativePath: string;
}

/** A record before the store has numbered its version. */
export type NewRepositoryRecord = Omit<RepositoryRecord, 'version'>;

export type CreateOutcome =
  { readonly kind: 'created'; readonly record: RepositoryRecord } | { readonly kind: 'exists' };

export type SwapOutcome =
  | { readonly kind: 'swapped'; readonly record: RepositoryRecord }
  | { readonly kind: 'stale'; readonly current: RepositoryRecord | undefined };

export interface ListQuery {
  readonly virtualStorage?: string;
  readonly afterId?: bigint;
  /** 1 to 1000. */
  readonly limit: number;
  /** Only records with a replica that is not in sync, an intent, a barrier or a move. Uses an index. */
  readonly onlyUnsettled?: boolean;
  /** Only records that are placed like this, some replica of which is not in sync. Uses an index. */
  readonly behindAs?: Placement;
}

export interface PlacementQuery {
  readonly virtualStorage: string;
  /** 1 to 1000. */
  readonly limit: number;
  readonly onlyBehind?: boolean;
}

/**
 * Where a repository is and how well, without anything that changes with an ordinary write. Few
 * placements are in use however many repositories there are, so much is decided by placement.
 */
export interface Placement {
  readonly primary: string;
  /** By storage name. */
  readonly replicas: readonly PlacedReplica[];
}

/** So many repositories with the same placement. */
export interface PlacementCount {
  readonly placement: Placement;
  readonly repositories: number;
}

export interface PlacedReplica {
  readonly storage: string;
  readonly role: ReplicaRole;
  readonly inSync: boolean;
  /** It is not in sync, and is to replace one that stays until then: nobody misses it. */
  readonly isMoving?: true;
}

export interface SummaryQuery {
  readonly virtualStorage: string;
  readonly replicationFactor: number;
  readonly minInSyncReplicas: number;
  /** Storages whose replicas count for nothing now. Default: none. */
  readonly unhealthy?: ReadonlySet<string>;
}

/** Numbers of repositories; a repository is in exactly one of the last four. */
export interface StoreSummary {
  readonly repositories: number;
  /** At least `replicationFactor` in-sync voters on healthy storages. */
  readonly fullyReplicated: number;
  /** Fewer, but at least `minInSyncReplicas`. */
  readonly degraded: number;
  /** Fewer still, but at least one. */
  readonly atRisk: number;
  /** No replica is in sync. Only a person can create this state. */
  readonly unavailable: number;
  readonly storages: ReadonlyMap<
    string,
    {
      readonly replicas: number;
      readonly inSync: number;
      readonly primaries: number;
      /** Of those that are not in sync: that leave, or are to replace others. */
      readonly moving: number;
    }
  >;
  /** What the sums are of. A placement may be there more than once. */
  readonly placements: readonly PlacementCount[];
}

export interface WatchEvents {
  /** The record is now like this. Delivered in the order of versions, some may be skipped. */
  onChanged(record: RepositoryRecord): void;
  /** The record changed and is too big to be sent along: what was known of it is void. */
  onInvalidated(id: bigint, key: RepositoryKey): void;
  onRemoved(id: bigint, key: RepositoryKey, version: bigint): void;
  /** Another proxy has taken note of that version, or of a later one. */
  onAcknowledged(owner: string, id: bigint, version: bigint): void;
  /** Changes may have been missed: everything known is void. Also called after each reconnect. */
  onReset(): void;
  /** The store is not heard any more; `onReset` follows when it is. */
  onDisconnected(error: Error): void;
}

/** The store could not be asked, or did not answer in time. Nothing is known of the outcome. */
export class StoreUnavailableError extends Error {
  constructor(cause: Error) {
    super(`the control store cannot be reached: ${cause.message}`, { cause });
    this.name = 'StoreUnavailableError';
  }
}
