import type { Clock } from '../../src/base/clock.ts';
import type { RepositoryRecord } from '../../src/proxy/routing/repository-record.ts';
import {
  StoreUnavailableError,
  type ControlStore,
  type ListQuery,
  type NewRepositoryRecord,
  type PlacementQuery,
  type RepositoryKey,
  type SummaryQuery,
  type WatchEvents,
} from '../../src/proxy/store/control-store.ts';
import type { DrainBoard } from '../../src/proxy/store/drain-board.ts';
import type { InSyncSetQuery } from '../../src/proxy/store/in-sync-sets.ts';
import { createMemoryStore, type MemoryStore } from '../../src/proxy/store/memory-store.ts';
import type { StorageIdentity, StorageKey } from '../../src/proxy/store/storage-identity.ts';
import type { StorageSettings } from '../../src/proxy/store/storage-settings.ts';
import type { VerificationQueue } from '../../src/proxy/store/verification-queue.ts';
import type { MemoryDatabase } from '../../src/proxy/store/memory-database.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { Timeline } from './timeline.ts';

export interface SimulatedStoreOptions {
  readonly timeline: Timeline;
  readonly database: MemoryDatabase;
  /** How often an answer of the store gets lost, at the moment. */
  lostAnswers(): number;
}

/** A call of the store fails after that long, whatever becomes of it. */
const callLimitMs = 2000;
/** Longer than any run. */
const neverMs = 1e9;

/**
 * One proxy's store. Requests arrive even if the proxy is paused or dies after it has sent them; answers wait for
 * it. The store may be late, or fall silent: then calls fail when their time is over, and what they ask for may
 * be done all the same, long after.
 */
export class SimulatedStore implements ControlStore {
  readonly verifications: VerificationQueue;
  readonly drains: DrainBoard;
  readonly weights: StorageSettings<number>;
  readonly zones: StorageSettings<string>;
  readonly #memory: MemoryStore;
  readonly #options: SimulatedStoreOptions;
  readonly #process: SimulatedProcess;
  #state: 'prompt' | 'late' | 'silent' = 'prompt';
  #losesNextSwap = false;
  #troubles = 0;
  #isConnected = true;
  /** What makes each call fail that has no answer. */
  readonly #waiting = new Set<() => void>();

  constructor(options: SimulatedStoreOptions, process: SimulatedProcess) {
    const { timeline, database } = options;
    this.#options = options;
    this.#process = process;
    let sent: 'request' | 'answer' | 'announcement' = 'request';
    const clock: Clock = {
      monotonicMs: () => timeline.monotonicMs(),
      wallMs: () => timeline.wallMs(),
      after: (delayMs, arrive) => (sent === 'request' ? timeline : process).after(delayMs, arrive),
    };
    const delayMs = (message: typeof sent) => {
      sent = message;
      return this.#wayMs(message);
    };
    this.#memory = createMemoryStore({ clock, database, delayMs });
    const { verifications, drains, weights, zones } = this.#memory;
    this.drains = {
      request: (request) => this.#limited(drains.request(request)),
      cancel: (key, requester) => this.#limited(drains.cancel(key, requester)),
      list: () => this.#limited(drains.list()),
      report: (owner, reports) => this.#limited(drains.report(owner, reports)),
      reports: () => this.#limited(drains.reports()),
    };
    this.weights = this.#limitedSettings(weights);
    this.zones = this.#limitedSettings(zones);
    this.verifications = {
      take: (query) => this.#limited(verifications.take(query)),
      end: (turn, result) => this.#limited(verifications.end(turn, result)),
      markUnverified: (which) => this.#limited(verifications.markUnverified(which)),
      recheck: (id, afterMs) => this.#limited(verifications.recheck(id, afterMs)),
      get: (id) => this.#limited(verifications.get(id)),
      findings: (query) => this.#limited(verifications.findings(query)),
      countFindings: (name) => this.#limited(verifications.countFindings(name)),
      countDue: (query) => this.#limited(verifications.countDue(query)),
    };
  }

  /** Whether it can be reached, and answers as it should. */
  get isPrompt(): boolean {
    return this.#state === 'prompt' && this.#isConnected;
  }

  /** How often something has gone wrong with it. */
  get troubles(): number {
    return this.#troubles;
  }

  /** The connection breaks, and none can be made. */
  disconnect(): void {
    this.#troubles += 1;
    this.#isConnected = false;
    this.#memory.disconnect();
  }

  /** All is as it should be again. */
  reconnect(): void {
    if (this.#state === 'silent') this.#memory.disconnect();
    this.#state = 'prompt';
    this.#losesNextSwap = false;
    this.#isConnected = true;
    this.#memory.reconnect();
  }

  /** Each message takes up to four seconds from now on, unless none comes back at all. */
  becomeLate(): void {
    this.#troubles += 1;
    if (this.#state !== 'silent') this.#state = 'late';
    this.#limitWaiting();
  }

  /** Nothing comes back from now on; what is asked for may be done or not. */
  fallSilent(): void {
    this.#troubles += 1;
    this.#state = 'silent';
    this.#limitWaiting();
  }

  /** The next compare-and-swap is done, and its answer gets lost. */
  loseNextSwap(): void {
    this.#losesNextSwap = true;
  }

  get(key: RepositoryKey) {
    return this.#limited(this.#memory.get(key));
  }

  getById(id: bigint) {
    return this.#limited(this.#memory.getById(id));
  }

  getMany(ids: readonly bigint[]) {
    return this.#limited(this.#memory.getMany(ids));
  }

  nextRepositoryId() {
    return this.#limited(this.#memory.nextRepositoryId());
  }

  create(record: NewRepositoryRecord) {
    return this.#limited(this.#memory.create(record));
  }

  async compareAndSwap(next: RepositoryRecord) {
    const { timeline, lostAnswers } = this.#options;
    const outcome = await this.#limited(this.#memory.compareAndSwap(next));
    if (!this.#losesNextSwap && !timeline.chance(lostAnswers())) return outcome;
    this.#losesNextSwap = false;
    timeline.tell(() => `${this.#process.name} does not get the store's answer: ${outcome.kind}`);
    throw new StoreUnavailableError(new Error('the answer was lost'));
  }

  remove(record: RepositoryRecord) {
    return this.#limited(this.#memory.remove(record));
  }

  list(query: ListQuery) {
    return this.#limited(this.#memory.list(query));
  }

  placements(query: PlacementQuery) {
    return this.#limited(this.#memory.placements(query));
  }

  summarize(query: SummaryQuery) {
    return this.#limited(this.#memory.summarize(query));
  }

  inSyncSets(query: InSyncSetQuery) {
    return this.#memory.inSyncSets(query);
  }

  getIdentity(key: StorageKey) {
    return this.#limited(this.#memory.getIdentity(key));
  }

  putIdentity(next: StorageIdentity) {
    return this.#limited(this.#memory.putIdentity(next));
  }

  watch(events: WatchEvents) {
    return this.#limited(this.#memory.watch(events));
  }

  renewLease(lease: { readonly owner: string; readonly durationMs: number }) {
    return this.#limited(this.#memory.renewLease(lease));
  }

  releaseLease(owner: string) {
    return this.#limited(this.#memory.releaseLease(owner));
  }

  liveOwners() {
    return this.#limited(this.#memory.liveOwners());
  }

  acknowledge(owner: string, id: bigint, version: bigint) {
    return this.#limited(this.#memory.acknowledge(owner, id, version));
  }

  stop(): Promise<void> {
    return this.#memory.stop();
  }

  #wayMs(message: 'request' | 'answer' | 'announcement'): number {
    const { timeline } = this.#options;
    const wayMs = timeline.between(0.2, timeline.chance(0.05) ? 100 : 3);
    if (this.#state === 'late') return wayMs + timeline.between(0, 4000);
    if (this.#state === 'prompt' || (message === 'request' && timeline.chance(0.5))) return wayMs;
    return neverMs;
  }

  #limitedSettings<T>(settings: StorageSettings<T>): StorageSettings<T> {
    return {
      set: (key, value) => this.#limited(settings.set(key, value)),
      list: () => this.#limited(settings.list()),
    };
  }

  /** Rejects when the call's time is over. Nothing is, as long as the store is prompt. */
  #limited<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const expire = () => reject(new StoreUnavailableError(new Error('no answer in time')));
      this.#waiting.add(expire);
      call.then(resolve, reject).finally(() => this.#waiting.delete(expire));
      if (this.#state !== 'prompt') this.#process.after(callLimitMs, expire);
    });
  }

  #limitWaiting(): void {
    for (const expire of this.#waiting) this.#process.after(callLimitMs, expire);
  }
}
