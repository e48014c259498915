import type { StorageKey } from './storage-identity.ts';

/**
 * Where those who want a storage without clients meet the proxies, which bring that about.
 *
 * 1. Requested: somebody adds a request. It holds until that requester cancels it, whoever dies meanwhile.
 * 2. Acknowledged: each proxy finds the request within a second, sends clients elsewhere from then on, and
 *    reports the calls that it still has there. A proxy that starts reads the board after it has taken its
 *    lease and before it takes its first call. So who does not report is no live proxy, or not aware yet.
 * 3. Draining: the reports tell how many calls are left. Those that outlive the request's graces are cut.
 * 4. Drained: each live proxy has reported, and none has calls there.
 * 5. Undrained: the last request is cancelled, and its reports go with it. A later request begins at 1,
 *    even if a proxy has not noticed that there was a time between the two.
 *
 * The weight of the storage for new repositories stays as it is ({@link ControlStore.weights}): they are kept away by the request
 * alone, so that nobody has to restore anything at 5.
 *
 * A crash leaves no state that somebody has to mend: requests are durable, a proxy's death takes its calls with it,
 * and whoever has asked for a drain finds out by looking how far it is.
 *
 * Every call rejects with a {@link StoreUnavailableError}, like those of the control store.
 */
export interface DrainBoard {
  /** Adds a request. If this requester has one for the storage, that goes on with the new reason and graces. */
  request(request: NewDrainRequest): Promise<void>;

  /** Takes the requester's request back, if there is one. */
  cancel(key: StorageKey, requester: string): Promise<void>;

  /** All requests, in the order in which they came. */
  list(): Promise<readonly DrainRequest[]>;

  /**
   * Tells what a proxy has running on the storages of these requests, in place of what it told before. What is
   * said of a request that is not there any more counts for nothing.
   */
  report(owner: string, reports: readonly DrainReport[]): Promise<void>;

  /** What proxies have reported of all requests, those that are not alive any more included. */
  reports(): Promise<readonly (DrainReport & { readonly owner: string })[]>;
}

export interface NewDrainRequest extends StorageKey {
  readonly requester: string;
  /** For people. */
  readonly reason: string;
  /** How long calls of a class may go on; those of a class that is not named go on to their end. */
  readonly graces: Graces;
}

/** In milliseconds, counted from when a proxy takes note, or from the call's beginning if that is later. */
export type Graces = Partial<Readonly<Record<CallClass, number>>>;

export interface DrainRequest extends NewDrainRequest {
  /** Never used again. */
  readonly id: bigint;
  /** Milliseconds since 1970-01-01 UTC, by the store's clock. */
  readonly requestedAtMs: number;
}

export interface DrainReport {
  /** The request's. */
  readonly id: bigint;
  /** One entry for each class of which there are calls. */
  readonly calls: readonly CallsLeft[];
}

export const callClasses = ['unary', 'stream', 'fetch', 'push'] as const;
export type CallClass = (typeof callClasses)[number];

/** Calls of one class that clients wait for and a storage serves. */
export interface CallsLeft {
  readonly class: CallClass;
  readonly count: number;
  /** For how long the oldest has been running. */
  readonly oldestMs: number;
  /** The repository that the oldest is about, as GitLab names it. */
  readonly oldestRepository: string;
}
