import { sleep, type Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stoppable } from '../../base/scope.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import {
  StoreUnavailableError,
  type ControlStore,
  type RepositoryKey,
  type SwapOutcome,
  type WatchEvents,
} from '../store/control-store.ts';
import type { StoreOutage } from '../store/store-outage.ts';
import type { RecordChange } from '../transactions/record-change.ts';
import { RecordCache } from './record-cache.ts';

export interface RepositoryViewOptions {
  readonly store: ControlStore;
  /** This proxy, as in its lease. */
  readonly owner: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told whether changes are heard. */
  readonly outage: Pick<StoreOutage, 'failed' | 'worked'>;
  /** Records kept of each virtual storage, at most; the half used last always is. Default 200,000. */
  readonly maxRecords?: number;
  /** How long reads are served from what is known while the store is not heard. Default 5 minutes. */
  readonly staleReadLimitMs?: number;
  /** No proxy's lease lasts longer than this. Default 10 s. */
  readonly maxLeaseMs?: number;
}

export type ChangeOutcome<Refusal> =
  | { readonly kind: 'changed'; readonly record: RepositoryRecord }
  | { readonly kind: 'refused'; readonly reason: Refusal; readonly record: RepositoryRecord }
  | { readonly kind: 'removed' };

/**
 * What this proxy knows of the repositories that it serves. The store pushes every change, so a read
 * costs no round trip; after a gap in the pushes everything is forgotten and asked for again.
 */
export class RepositoryView implements Stoppable, WatchEvents {
  readonly #options: RepositoryViewOptions;
  readonly #maxRecords: number;
  readonly #staleReadLimitMs: number;
  readonly #maxLeaseMs: number;
  readonly #records: RecordCache;
  readonly #fetches = new Map<string, Promise<RepositoryRecord | undefined>>();
  /** How many changes of a record are under way. */
  readonly #swaps = new Map<string, number>();
  readonly #waiters = new Map<string, Set<(owner: string, version: bigint) => void>>();
  /** By id: what the others have acknowledged lately. That may come before the store's own answer. */
  readonly #acknowledged = new Map<string, Map<string, bigint>>();
  /**
   * By id: the version that this proxy has said lately to have taken note of. An answer of the store that was
   * under way meanwhile may hold an older one.
   */
  readonly #noted = new Map<bigint, bigint>();
  /** By id: replicas that are behind or leaving, of which every other proxy knows. */
  readonly #departed = new Map<bigint, ReadonlySet<string>>();
  /** Grows whenever what was being fetched can no longer be trusted. */
  #generation = 0;
  /** Monotonic time since which the store is not heard. */
  #silentSinceMs: number | undefined;
  /** Monotonic time until which others may not have heard the store again. */
  #othersReturnUntilMs = Number.NEGATIVE_INFINITY;
  #watch: Stoppable | undefined;

  constructor(options: RepositoryViewOptions) {
    this.#options = options;
    this.#maxRecords = options.maxRecords ?? 200_000;
    this.#records = new RecordCache(this.#maxRecords);
    this.#staleReadLimitMs = options.staleReadLimitMs ?? 300_000;
    this.#maxLeaseMs = options.maxLeaseMs ?? 10_000;
  }

  /** Begins to listen; resolves when nothing will be missed any more. */
  async start(): Promise<void> {
    this.#watch = await this.#options.store.watch(this);
  }

  async stop(): Promise<void> {
    await this.#watch?.stop();
    this.#records.clear();
  }

  /** Whether the store's changes are being heard. */
  get connected(): boolean {
    return this.#watch !== undefined && this.#silentSinceMs === undefined;
  }

  /** What is known without asking, or undefined if the store has to be asked. */
  peek(key: RepositoryKey): RepositoryRecord | undefined {
    if (this.#isTooStale()) return undefined;
    return this.#records.get(key);
  }

  /**
   * The newest that is known of a repository: `record`, or what was heard since. What is known may be older than
   * `record`: after a gap in the pushes everything is asked for again, and answers may cross with changes.
   */
  latest(record: RepositoryRecord): RepositoryRecord {
    const known = this.peek(record);
    return known?.id === record.id && known.version > record.version ? known : record;
  }

  /**
   * The record, or undefined if there is no such repository.
   *
   * @throws StoreUnavailableError if it is not known here and the store does not answer
   */
  async get(key: RepositoryKey): Promise<RepositoryRecord | undefined> {
    return this.peek(key) ?? (await this.#fetch(key));
  }

  /** The record as the store has it now. What is known stays so if the store does not answer. */
  confirm(key: RepositoryKey): Promise<RepositoryRecord | undefined> {
    return this.#fetch(key);
  }

  /** The record as the store has it now. What is known is forgotten. */
  async refresh(key: RepositoryKey): Promise<RepositoryRecord | undefined> {
    this.#forget(key);
    return this.#fetch(key);
  }

  /** Takes note of a record that the store has confirmed. */
  learn(record: RepositoryRecord): void {
    if (record.version < (this.#noted.get(record.id) ?? 0n)) return;
    const known = this.#records.get(record);
    if (known !== undefined && known.id === record.id && known.version >= record.version) return;
    this.#records.set(record);
  }

  /**
   * Changes a record by compare-and-swap, starting from `record` and over again from the store's
   * version as long as somebody else is faster.
   *
   * @throws StoreUnavailableError if the store does not answer; the change may have been made or not
   */
  async change<Refusal>(
    record: RepositoryRecord,
    decide: (current: RepositoryRecord) => RecordChange<Refusal>,
  ): Promise<ChangeOutcome<Refusal>> {
    let current = record;
    for (;;) {
      const decision = decide(current);
      if (decision.kind === 'refuse') {
        return { kind: 'refused', reason: decision.reason, record: current };
      }
      const outcome = await this.#swap(decision.next);
      if (outcome.kind === 'swapped') return { kind: 'changed', record: outcome.record };
      if (outcome.current === undefined) {
        this.#forget(record);
        return { kind: 'removed' };
      }
      current = outcome.current;
    }
  }

  /**
   * Waits until no other proxy reads from the replicas that are behind or leaving in `record` (invariant I4),
   * whichever write they have missed: that one may still be waiting when the next is done.
   */
  async departuresKnown(record: RepositoryRecord): Promise<void> {
    const { id, version } = record;
    const departures = departuresOf(record);
    const known = this.#departed.get(id);
    if (departures.every((departure) => known?.has(departure))) return;
    await this.settled(id, version);
    this.#departed.delete(id);
    this.#departed.set(id, new Set(departures));
    trim(this.#departed, this.#maxRecords);
  }

  /**
   * Waits until no other proxy relies on an older version: each has taken note, or its lease has
   * run out. Needed after a replica has left the in-sync set, and after removal.
   * While the store cannot tell who else is alive, that takes as long as any lease can last. Soon after it was away, others
   * may still read from what they know, without a lease; they get time to come back as well.
   */
  async settled(id: bigint, version: bigint): Promise<void> {
    const { clock } = this.#options;
    const othersReturnMs = this.#othersReturnUntilMs - clock.monotonicMs();
    await Promise.all([
      this.#acknowledgedByAll(id, version),
      othersReturnMs > 0 ? sleep(clock, othersReturnMs) : undefined,
    ]);
  }

  async #acknowledgedByAll(id: bigint, version: bigint): Promise<void> {
    const { store, clock, owner } = this.#options;
    const name = String(id);
    const lately = [...(this.#acknowledged.get(name) ?? [])].filter(([, seen]) => seen >= version);
    const acknowledged = new Set<string>([owner, ...lately.map(([other]) => other)]);
    const waiters = this.#waiters.get(name) ?? new Set();
    this.#waiters.set(name, waiters);
    let check = () => {};
    const onAcknowledged = (from: string, seen: bigint) => {
      if (seen >= version) acknowledged.add(from);
      check();
    };
    waiters.add(onAcknowledged);
    try {
      const others = await store.liveOwners().catch(() => unknownOwners);
      const leases = [...others.values()].map((lease) => lease?.remainingMs ?? this.#maxLeaseMs);
      const remainingMs = Math.max(0, ...leases);
      await new Promise<void>((resolve) => {
        const timer = clock.after(remainingMs, resolve);
        check = () => {
          if (![...others.keys()].every((other) => acknowledged.has(other))) return;
          timer.cancel();
          resolve();
        };
        check();
      });
    } finally {
      waiters.delete(onAcknowledged);
      if (waiters.size === 0) this.#waiters.delete(name);
    }
  }

  onChanged(record: RepositoryRecord): void {
    const name = nameOf(record);
    const isAwaited = this.#fetches.has(name) || this.#swaps.has(name);
    if (isAwaited || this.#records.has(record)) this.learn(record);
    if (inSyncVoters(record).length < record.replicas.length) {
      this.#note(record.id, record.version);
      this.#acknowledge(record.id, record.version);
    }
  }

  onInvalidated(id: bigint, key: RepositoryKey): void {
    this.#forget(key);
    this.#acknowledge(id, maxVersion);
  }

  onRemoved(id: bigint, key: RepositoryKey, version: bigint): void {
    this.#forget(key);
    this.#note(id, version);
    this.#acknowledge(id, version);
  }

  onAcknowledged(owner: string, id: bigint, version: bigint): void {
    const name = String(id);
    const lately = this.#acknowledged.get(name) ?? new Map<string, bigint>();
    if (version > (lately.get(owner) ?? -1n)) lately.set(owner, version);
    this.#acknowledged.delete(name);
    this.#acknowledged.set(name, lately);
    trim(this.#acknowledged, maxAcknowledged);
    for (const waiter of this.#waiters.get(name) ?? []) waiter(owner, version);
  }

  onReset(): void {
    this.#generation += 1;
    this.#records.clear();
    this.#fetches.clear();
    if (this.#silentSinceMs === undefined) return;
    this.#silentSinceMs = undefined;
    this.#othersReturnUntilMs = this.#options.clock.monotonicMs() + othersReturnLimitMs;
    this.#options.outage.worked('changes');
  }

  onDisconnected(error: Error): void {
    if (this.#silentSinceMs !== undefined) return;
    this.#silentSinceMs = this.#options.clock.monotonicMs();
    this.#options.outage.failed('changes', error);
  }

  #isTooStale(): boolean {
    return (
      this.#silentSinceMs !== undefined &&
      this.#options.clock.monotonicMs() - this.#silentSinceMs > this.#staleReadLimitMs
    );
  }

  /**
   * Changes a record, and takes note of the answer. Newer versions may be pushed before it comes: they are kept,
   * also if nothing was known before. After a gap in the pushes it tells nothing of what is true now.
   */
  async #swap(next: RepositoryRecord): Promise<SwapOutcome> {
    const name = nameOf(next);
    const generation = this.#generation;
    this.#swaps.set(name, (this.#swaps.get(name) ?? 0) + 1);
    try {
      const outcome = await this.#options.store.compareAndSwap(next);
      const record = outcome.kind === 'swapped' ? outcome.record : outcome.current;
      const isCurrent = generation === this.#generation || this.#records.has(next);
      if (record !== undefined && isCurrent) this.learn(record);
      return outcome;
    } finally {
      const others = (this.#swaps.get(name) ?? 1) - 1;
      if (others > 0) this.#swaps.set(name, others);
      else this.#swaps.delete(name);
    }
  }

  #fetch(key: RepositoryKey): Promise<RepositoryRecord | undefined> {
    const name = nameOf(key);
    const running = this.#fetches.get(name);
    if (running !== undefined) return running;
    const fetching = this.#fetchNow(key).finally(() => {
      if (this.#fetches.get(name) === fetching) this.#fetches.delete(name);
    });
    this.#fetches.set(name, fetching);
    return fetching;
  }

  async #fetchNow(key: RepositoryKey): Promise<RepositoryRecord | undefined> {
    const generation = this.#generation;
    const record = await this.#options.store.get(key);
    if (record === undefined || generation !== this.#generation) return record;
    this.learn(record);
    return this.#records.get(key) ?? record;
  }

  #forget(key: RepositoryKey): void {
    this.#generation += 1;
    this.#records.delete(key);
    this.#fetches.delete(nameOf(key));
  }

  #note(id: bigint, version: bigint): void {
    this.#noted.delete(id);
    this.#noted.set(id, version);
    trim(this.#noted, maxAcknowledged);
  }

  #acknowledge(id: bigint, version: bigint): void {
    const { store, owner, logger } = this.#options;
    store.acknowledge(owner, id, version).catch((error: unknown) => {
      // The others wait for our lease to run out instead.
      if (!(error instanceof StoreUnavailableError)) throw error;
      logger.debug({ err: error }, 'a change could not be acknowledged');
    });
  }
}

/** Longer than an attempt to connect to the store, and the pause before it. */
const othersReturnLimitMs = 3000;

/** Stands for proxies of which nothing is known: one that never acknowledges. */
const unknownOwners: ReadonlyMap<string, { readonly remainingMs: number } | undefined> = new Map([
  ['', undefined],
]);

/** Repositories whose acknowledgements, own and others', are kept: an answer of the store takes 2 s at most. */
const maxAcknowledged = 1000;

/** Leaves the entries that were added last. */
function trim<K>(entries: Map<K, unknown>, limit: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= limit) break;
    entries.delete(oldest);
  }
}

/** Acknowledges whatever version it was that could not be sent along. */
const maxVersion = 2n ** 63n - 1n;

/** Which replicas are behind or leaving, and since when: one that departs once more has another LSN. */
function departuresOf(record: RepositoryRecord): readonly string[] {
  return record.replicas
    .filter(({ lsn, role }) => lsn !== record.lsn || role === 'leaving')
    .map(({ storage, lsn }) => `${lsn} ${storage}`);
}

function nameOf(key: RepositoryKey): string {
  return `${key.virtualStorage}\0${key.relativePath}`;
}
