import type { Clock } from '../../base/clock.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { Announcement } from './announcement.ts';
import type { CreateOutcome, RepositoryKey, SwapOutcome } from './control-store.ts';
import { MemoryDrains } from './memory-drains.ts';
import { MemorySettings } from './memory-settings.ts';
import { MemoryVerifications } from './memory-verifications.ts';
import type { StorageIdentity, StorageKey } from './storage-identity.ts';

/** Hears every announcement, in the order of the changes. `sender` is whoever made the change. */
export type Subscriber = (announcement: Announcement) => void;

/**
 * What memory stores that stand for several proxies share. Each method is one atomic step, and what
 * it announces is handed to the subscribers within it.
 */
export class MemoryDatabase {
  readonly verifications: MemoryVerifications;
  readonly drains: MemoryDrains;
  readonly weights = new MemorySettings<number>();
  readonly zones = new MemorySettings<string>();
  readonly #clock: Clock;
  readonly #records = new Map<bigint, RepositoryRecord>();
  readonly #ids = new Map<string, bigint>();
  readonly #leases = new Map<string, number>();
  readonly #identities = new Map<string, StorageIdentity>();
  readonly #subscribers = new Set<Subscriber>();
  /** All records in order, until one of them changes. */
  #inOrder: readonly RepositoryRecord[] | undefined;
  #lastId = 0n;

  /** `clock` tells when leases run out. */
  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
    this.verifications = new MemoryVerifications(clock, this.#records);
    this.drains = new MemoryDrains(clock);
  }

  get(key: RepositoryKey): RepositoryRecord | undefined {
    const id = this.#ids.get(nameOf(key));
    return id === undefined ? undefined : this.#records.get(id);
  }

  getById(id: bigint): RepositoryRecord | undefined {
    return this.#records.get(id);
  }

  /** In ascending order of id. */
  all(): readonly RepositoryRecord[] {
    this.#inOrder ??= [...this.#records.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    return this.#inOrder;
  }

  nextId(): bigint {
    this.#lastId += 1n;
    return this.#lastId;
  }

  create(record: RepositoryRecord): CreateOutcome {
    if (this.#records.has(record.id) || this.#ids.has(nameOf(record))) return { kind: 'exists' };
    this.#put(record);
    this.verifications.add(record.id);
    return { kind: 'created', record };
  }

  swap(next: RepositoryRecord): SwapOutcome {
    const current = this.#records.get(next.id);
    if (current?.version !== next.version) return { kind: 'stale', current };
    const holder = this.#ids.get(nameOf(next));
    if (holder !== undefined && holder !== next.id) {
      throw new Error(`another repository has the path ${next.relativePath}`);
    }
    const record = { ...next, version: next.version + 1n };
    this.#ids.delete(nameOf(current));
    this.#put(record);
    return { kind: 'swapped', record };
  }

  remove(record: RepositoryRecord): SwapOutcome {
    const current = this.#records.get(record.id);
    if (current?.version !== record.version) return { kind: 'stale', current };
    const removed = { ...current, version: current.version + 1n };
    this.#inOrder = undefined;
    this.#records.delete(current.id);
    this.verifications.remove(current.id);
    this.#ids.delete(nameOf(current));
    const { id, version, virtualStorage, relativePath } = removed;
    this.announce({ kind: 'removed', id, key: { virtualStorage, relativePath }, version });
    return { kind: 'swapped', record: removed };
  }

  identityOf({ virtualStorage, storage }: StorageKey): StorageIdentity | undefined {
    return this.#identities.get(`${virtualStorage}\0${storage}`);
  }

  putIdentity(next: StorageIdentity): boolean {
    if ((this.identityOf(next)?.version ?? 0n) !== next.version) return false;
    const identity = { ...next, version: next.version + 1n };
    this.#identities.set(`${next.virtualStorage}\0${next.storage}`, identity);
    return true;
  }

  renewLease(owner: string, durationMs: number): void {
    this.#leases.set(owner, this.#clock.monotonicMs() + durationMs);
  }

  releaseLease(owner: string): void {
    this.#leases.delete(owner);
  }

  liveOwners(): ReadonlyMap<string, { readonly remainingMs: number }> {
    const now = this.#clock.monotonicMs();
    const live = [...this.#leases].filter(([, expiresAtMs]) => expiresAtMs > now);
    return new Map(live.map(([owner, at]) => [owner, { remainingMs: at - now }]));
  }

  subscribe(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
  }

  /** Tells everyone but `except`. */
  announce(announcement: Announcement, except?: Subscriber): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber !== except) subscriber(announcement);
    }
  }

  #put(record: RepositoryRecord): void {
    this.#inOrder = undefined;
    this.#records.set(record.id, record);
    this.#ids.set(nameOf(record), record.id);
    this.announce({ kind: 'changed', record });
  }
}

function nameOf({ virtualStorage, relativePath }: RepositoryKey): string {
  return `${virtualStorage}\0${relativePath}`;
}
