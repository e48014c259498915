/**
 * Storages that hold repositories in sync and vote on them, and how many repositories.
 *
 * They are counted as their records are, whatever is under way. Of a repository with a write in flight each of them
 * holds every write that was acknowledged: the one in flight is acknowledged only with a record that says who holds it.
 * That record may come the moment after, and name fewer; so may that of a storage that dies. What is decided from a list
 * has to be looked at again before it cannot be undone. A repository that is being made counts on the storages that
 * are to have it: nothing of it was acknowledged, and counting it can only hold a storage back.
 */
export interface InSyncSet {
  /** At least one, each once, in no order. */
  readonly storages: readonly string[];
  readonly repositories: number;
  /** The relative path of one of them. */
  readonly example: string;
}

/** A part of a list of sets. */
export interface InSyncSetPage {
  /** What the whole list is as of, or a little older: milliseconds since 1970-01-01 UTC, by the store's clock. */
  readonly asOfMs: number;
  /** 1000 at most. */
  readonly sets: readonly InSyncSet[];
}

export interface InSyncSetQuery {
  readonly virtualStorage: string;
  /** Ends the list, which then rejects. */
  readonly signal?: AbortSignal;
}

/** As many lists are under way as may be at a time. */
export class TooManyListsError extends Error {
  constructor() {
    super('another list of all in-sync sets is under way: ask again when it is done');
    this.name = 'TooManyListsError';
  }
}

export const maxSetsOfPage = 1000;
