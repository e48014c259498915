import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { StorageKey } from './storage-identity.ts';

/**
 * When each repository's replicas were last compared, in the order in which they are to be compared
 * again. Every repository has its place from the start. All times are the store's.
 *
 * Every call rejects with a {@link StoreUnavailableError}, like those of the control store.
 */
export interface VerificationQueue {
  /**
   * Takes those whose turn it is: they were looked at `intervalMs` ago or longer, longest ago first. For
   * `leaseMs` nobody else gets them; then it is their turn again unless {@link end} has told otherwise.
   */
  take(query: TakeQuery): Promise<readonly VerificationTurn[]>;

  /** Tells what came of a turn. False if it is not that turn any more: nothing has changed. */
  end(turn: EndedTurn, result: VerificationResult): Promise<boolean>;

  /** Makes it the turn of these, before all others. Returns the number of their replicas. */
  markUnverified(which: VerificationSelection): Promise<number>;

  /**
   * Makes it a repository's turn when `afterMs` are over, before all others, whatever the interval is and whatever
   * is found until then: what is in doubt may show only later. Its other turns and what was found stay as they are. A
   * later call replaces an earlier one. Nothing happens if there is no such repository.
   */
  recheck(id: bigint, afterMs: number): Promise<void>;

  /** What is known of one repository, or undefined if it does not exist. */
  get(id: bigint): Promise<VerificationState | undefined>;

  /** What a person has to put right, in ascending order of repositories' ids. */
  findings(query: FindingsQuery): Promise<readonly Finding[]>;

  /** Repositories with something that a person has to put right. Costs next to nothing. */
  countFindings(virtualStorage: string): Promise<number>;

  /** Repositories whose turn it is. The cost grows with that number, not with that of all. */
  countDue(query: DueQuery): Promise<DueCounts>;
}

/** How many turns to take. */
export interface TakeQuery {
  readonly intervalMs: number;
  readonly leaseMs: number;
  readonly limit: number;
}

/** The right to verify a repository for a while. */
export interface VerificationTurn {
  readonly record: RepositoryRecord;
  /** Of this turn among all of the repository. */
  readonly token: string;
}

/** A turn, or without a token what somebody has looked at out of turn. */
export interface EndedTurn {
  readonly record: Pick<RepositoryRecord, 'id'>;
  readonly token?: string;
}

export type VerificationResult =
  /** All in-sync replicas are equal. */
  | { readonly kind: 'verified' }
  /** It is looked at again before its time. */
  | {
      readonly kind: 'postponed';
      readonly intervalMs: number;
      readonly retryMs: number;
      /** What a person has to put right. Default: what was found before. */
      readonly finding?: string;
    };

export type VerificationSelection =
  | { readonly kind: 'repository'; readonly id: bigint }
  | { readonly kind: 'virtualStorage'; readonly virtualStorage: string }
  /** Repositories with a replica there; only these replicas are counted. */
  | ({ readonly kind: 'storage' } & StorageKey);

export interface VerificationState {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly verifiedAtMs?: number;
  readonly finding?: string;
}

export interface FindingsQuery {
  /** Default: all. */
  readonly virtualStorage?: string;
  readonly afterId: bigint;
  readonly limit: number;
}

export interface Finding {
  readonly record: RepositoryRecord;
  readonly finding: string;
}

export interface DueQuery {
  readonly virtualStorage: string;
  readonly intervalMs: number;
}

export interface DueCounts {
  /** Never verified, or not since somebody asked. */
  readonly unverified: number;
  /** Verified before. */
  readonly expired: number;
}
