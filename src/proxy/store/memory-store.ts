import type { Clock } from '../../base/clock.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { Announcement } from './announcement.ts';
import {
  StoreUnavailableError,
  type ControlStore,
  type CreateOutcome,
  type ListQuery,
  type NewRepositoryRecord,
  type Placement,
  type PlacementQuery,
  type RepositoryKey,
  type StoreSummary,
  type SummaryQuery,
  type SwapOutcome,
  type WatchEvents,
} from './control-store.ts';
import { maxSetsOfPage, type InSyncSetPage, type InSyncSetQuery } from './in-sync-sets.ts';
import { countInSyncSets } from './counted-placement.ts';
import { checkedListLimit } from './list-limit.ts';
import type { DrainBoard } from './drain-board.ts';
import { MemoryDatabase } from './memory-database.ts';
import type { MemorySettings } from './memory-settings.ts';
import {
  countInSync,
  decodePlacement,
  encodePlacement,
  isBehind,
  isSettled,
  placementOf,
  summarizePlacements,
} from './placement.ts';
import type { StorageIdentity, StorageKey } from './storage-identity.ts';
import type { StorageSettings } from './storage-settings.ts';
import type { VerificationQueue } from './verification-queue.ts';
import { Watchers } from './watchers.ts';

export interface MemoryStoreOptions {
  /** For leases and delays. */
  readonly clock: Clock;
  /** Shared by stores that stand for several proxies. Default: a database of its own. */
  readonly database?: MemoryDatabase;
  /**
   * How long a message to or from the database is under way. Announcements keep their order all the
   * same. Default: no time at all, yet never within the call.
   */
  readonly delayMs?: (message: 'request' | 'answer' | 'announcement') => number;
}

/** A store whose connection to the database can be cut. */
export interface MemoryStore extends ControlStore {
  /**
   * Rejects all calls, also those under way, and lets nothing be heard. What had reached the
   * database is done.
   */
  disconnect(): void;
  /** Ends what {@link MemoryStore.disconnect} began. */
  reconnect(): void;
}

/**
 * The control store in memory, for tests and simulations: the same calls with the same clock give
 * the same run. It orders things as PostgreSQL does: a change is atomic, its announcement reaches
 * the others in the order of changes but before or after the caller's answer, and what the watching
 * connection is asked for is answered after everything announced before.
 */
export function createMemoryStore(options: MemoryStoreOptions): MemoryStore {
  return new InMemoryStore(options);
}

const nothingHeard = Promise.resolve();

class InMemoryStore implements MemoryStore {
  readonly verifications: VerificationQueue;
  readonly drains: DrainBoard;
  readonly weights: StorageSettings<number>;
  readonly zones: StorageSettings<string>;
  readonly #clock: Clock;
  readonly #database: MemoryDatabase;
  readonly #delayMs: NonNullable<MemoryStoreOptions['delayMs']>;
  readonly #watchers = new Watchers((error) => {
    queueMicrotask(() => {
      throw error;
    });
  });
  readonly #hear = (announcement: Announcement) => {
    void this.#inOrder(() => this.#watchers.announce(announcement));
  };
  /** Whether anyone has ever watched. */
  #isWatched = false;
  /** Whether the watching connection is up. */
  #isListening = false;
  #lastHeard: Promise<void> = nothingHeard;
  /** Set while there is no connection. */
  #cutBy: Error | undefined;
  /** Grows with each cut: what was under way before does not arrive. */
  #generation = 0;
  #isStopped = false;

  constructor({ clock, database, delayMs }: MemoryStoreOptions) {
    this.#clock = clock;
    this.#database = database ?? new MemoryDatabase({ clock });
    this.#delayMs = delayMs ?? (() => 0);
    const { verifications, drains, weights, zones } = this.#database;
    this.drains = {
      request: (request) => this.#call(() => drains.request(request)),
      cancel: (key, requester) => this.#call(() => drains.cancel(key, requester)),
      list: () => this.#call(() => drains.list()),
      report: (owner, reports) => this.#call(() => drains.report(owner, reports)),
      reports: () => this.#call(() => drains.reports()),
    };
    this.weights = this.#settings(weights);
    this.zones = this.#settings(zones);
    this.verifications = {
      take: (query) => this.#call(() => verifications.take(query)),
      end: (turn, result) => this.#call(() => verifications.end(turn, result)),
      markUnverified: (which) => this.#call(() => verifications.markUnverified(which)),
      recheck: (id, afterMs) => this.#call(() => verifications.recheck(id, afterMs)),
      get: (id) => this.#call(() => verifications.get(id)),
      findings: (query) => this.#call(() => verifications.findings(query)),
      countFindings: (virtualStorage) =>
        this.#call(
          () =>
            verifications.findings({ virtualStorage, afterId: 0n, limit: Number.MAX_SAFE_INTEGER })
              .length,
        ),
      countDue: (query) => this.#call(() => verifications.countDue(query)),
    };
  }

  get(key: RepositoryKey): Promise<RepositoryRecord | undefined> {
    return this.#call(() => this.#database.get(key));
  }

  getById(id: bigint): Promise<RepositoryRecord | undefined> {
    return this.#call(() => this.#database.getById(id));
  }

  getMany(ids: readonly bigint[]): Promise<readonly RepositoryRecord[]> {
    return this.#call(() => ids.flatMap((id) => this.#database.getById(id) ?? []));
  }

  nextRepositoryId(): Promise<bigint> {
    return this.#call(() => this.#database.nextId());
  }

  create(record: NewRepositoryRecord): Promise<CreateOutcome> {
    return this.#call(() => this.#database.create({ ...record, version: 1n }));
  }

  compareAndSwap(next: RepositoryRecord): Promise<SwapOutcome> {
    return this.#call(() => this.#database.swap(next));
  }

  remove(record: RepositoryRecord): Promise<SwapOutcome> {
    return this.#call(() => this.#database.remove(record));
  }

  async list(query: ListQuery): Promise<readonly RepositoryRecord[]> {
    const { virtualStorage, afterId, onlyUnsettled = false, behindAs } = query;
    const limit = checkedListLimit(query.limit);
    const records = await this.#call(() => this.#database.all());
    return records
      .filter(({ id }) => afterId === undefined || id > afterId)
      .filter((record) => virtualStorage === undefined || record.virtualStorage === virtualStorage)
      .filter((record) => !onlyUnsettled || !isSettled(record))
      .filter((record) => behindAs === undefined || isPlaced(record, behindAs))
      .slice(0, limit);
  }

  async placements(query: PlacementQuery): Promise<readonly Placement[]> {
    const limit = checkedListLimit(query.limit);
    const records = await this.#call(() => this.#database.all());
    const texts = records
      .filter(({ virtualStorage }) => virtualStorage === query.virtualStorage)
      .map((record) => encodePlacement(placementOf(record)));
    const all = [...new Set(texts)].toSorted().map(decodePlacement);
    const wanted = query.onlyBehind
      ? all.filter(isBehind).toSorted((a, b) => countInSync(a) - countInSync(b))
      : all;
    return wanted.slice(0, limit);
  }

  async summarize(query: SummaryQuery): Promise<StoreSummary> {
    const records = await this.#call(() => this.#database.all());
    const counts = records
      .filter(({ virtualStorage }) => virtualStorage === query.virtualStorage)
      .map((record) => ({ placement: placementOf(record), repositories: 1 }));
    return summarizePlacements(counts, query);
  }

  async *inSyncSets({ virtualStorage }: InSyncSetQuery): AsyncGenerator<InSyncSetPage> {
    const records = await this.#call(() => this.#database.all());
    const sets = countInSyncSets(records.filter((one) => one.virtualStorage === virtualStorage));
    const asOfMs = this.#clock.wallMs();
    for (let from = 0; from === 0 || from < sets.length; from += maxSetsOfPage) {
      yield { asOfMs, sets: sets.slice(from, from + maxSetsOfPage) };
    }
  }

  getIdentity(key: StorageKey): Promise<StorageIdentity | undefined> {
    return this.#call(() => this.#database.identityOf(key));
  }

  putIdentity(next: StorageIdentity): Promise<boolean> {
    return this.#call(() => this.#database.putIdentity(next));
  }

  async watch(events: WatchEvents): Promise<Stoppable> {
    await this.#listen();
    this.#isWatched = true;
    this.#watchers.add(events);
    this.#watchers.reset(events);
    return {
      stop: async () => {
        this.#watchers.delete(events);
      },
    };
  }

  renewLease({ owner, durationMs }: Parameters<ControlStore['renewLease']>[0]): Promise<void> {
    return this.#callListening(() => this.#database.renewLease(owner, durationMs));
  }

  acknowledge(owner: string, id: bigint, version: bigint): Promise<void> {
    return this.#callListening(() => {
      this.#database.announce({ kind: 'acknowledged', owner, id, version }, this.#hear);
    });
  }

  releaseLease(owner: string): Promise<void> {
    return this.#call(() => this.#database.releaseLease(owner));
  }

  liveOwners(): Promise<ReadonlyMap<string, { readonly remainingMs: number }>> {
    return this.#call(() => this.#database.liveOwners());
  }

  disconnect(): void {
    if (this.#cutBy !== undefined) return;
    const error = new Error('the connection is cut');
    this.#cut(error);
    this.#watchers.disconnected(error);
  }

  reconnect(): void {
    if (this.#isStopped) return;
    this.#cutBy = undefined;
    if (!this.#isWatched) return;
    this.#listen().then(
      () => this.#watchers.resetAll(),
      () => {
        // Cut again: the next reconnect does it.
      },
    );
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cut(new Error('this proxy has closed it'));
  }

  #cut(error: Error): void {
    this.#cutBy = error;
    this.#generation += 1;
    this.#isListening = false;
    this.#lastHeard = nothingHeard;
    this.#database.unsubscribe(this.#hear);
  }

  async #listen(): Promise<void> {
    await this.#call(() => this.#database.subscribe(this.#hear));
    this.#isListening = true;
  }

  #settings<T>(settings: MemorySettings<T>): StorageSettings<T> {
    return {
      set: (key, value) => this.#call(() => settings.set(key, value)),
      list: () => this.#call(() => settings.list()),
    };
  }

  /** Makes a step in the database, unless the connection is cut before, and brings its answer. */
  async #call<T>(step: () => T): Promise<T> {
    const generation = this.#generation;
    await this.#travel('request');
    this.#assertConnected(generation);
    const answer = step();
    await this.#travel('answer');
    this.#assertConnected(generation);
    return answer;
  }

  /** As {@link InMemoryStore.#call}, over the watching connection. */
  async #callListening(step: () => void): Promise<void> {
    const generation = this.#generation;
    await this.#travel('request');
    this.#assertConnected(generation);
    if (!this.#isListening) {
      throw new StoreUnavailableError(new Error('changes are not being heard'));
    }
    step();
    await this.#inOrder(() => {});
    this.#assertConnected(generation);
  }

  /** Delivers something over the watching connection, after everything before. */
  #inOrder(deliver: () => void): Promise<void> {
    this.#lastHeard = this.#deliverAfter(
      [this.#lastHeard, this.#travel('announcement')],
      this.#generation,
      deliver,
    );
    return this.#lastHeard;
  }

  async #deliverAfter(
    earlier: readonly Promise<void>[],
    generation: number,
    deliver: () => void,
  ): Promise<void> {
    await Promise.all(earlier);
    if (generation === this.#generation) deliver();
  }

  #travel(message: 'request' | 'answer' | 'announcement'): Promise<void> {
    const delayMs = this.#delayMs(message);
    if (delayMs <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#clock.after(delayMs, resolve);
    });
  }

  #assertConnected(generation: number): void {
    if (this.#cutBy !== undefined) throw new StoreUnavailableError(this.#cutBy);
    if (generation !== this.#generation) {
      throw new StoreUnavailableError(new Error('the connection was cut'));
    }
  }
}

function isPlaced(record: RepositoryRecord, placement: Placement): boolean {
  return isBehind(placement) && encodePlacement(placementOf(record)) === encodePlacement(placement);
}
