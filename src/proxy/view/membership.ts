import { sleep, type Clock, type Timer } from '../../base/clock.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { Intent } from '../routing/repository-record.ts';
import type { ControlStore } from '../store/control-store.ts';
import type { StoreOutage } from '../store/store-outage.ts';

export interface MembershipOptions {
  readonly store: ControlStore;
  readonly owner: string;
  readonly clock: Clock;
  /** Told whether the lease can be renewed. */
  readonly outage: Pick<StoreOutage, 'failed' | 'worked'>;
  /** How long the others go on counting on this proxy after it fell silent. Default 3 s. */
  readonly leaseMs?: number;
  /**
   * The lease may not be relied on any more. The others take this proxy for dead in `leftMs` at the earliest: 0 if
   * they may do so already.
   */
  onLapse?(leftMs: number): void;
}

/**
 * This proxy's lease, and what is known of the others'. A proxy whose lease may have run out must
 * not commit anything: the others may already be settling its writes.
 */
export class Membership implements Stoppable {
  readonly #options: MembershipOptions;
  readonly #leaseMs: number;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #validUntilMs = Number.NEGATIVE_INFINITY;
  #lapse: Timer | undefined;
  #leaseTerm = 0;
  #live: ReadonlySet<string> = new Set();
  /** How often the store was asked who is alive, and the last of these times that it has answered. */
  #asked = 0;
  #heard = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 3000;
  }

  /** Takes the lease and goes on renewing it. Resolves when it is held for the first time. */
  async start(): Promise<void> {
    await this.#renew();
    this.#running = this.#renewForever();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#validUntilMs = Number.NEGATIVE_INFINITY;
    this.#lapse?.cancel();
    await this.#options.store.releaseLease(this.#options.owner).catch(() => {
      // It runs out by itself.
    });
  }

  /**
   * Whether the lease surely lasts: counted from before the renewal was sent, with a fifth kept as
   * margin for what is on its way to the nodes.
   */
  get holdsLease(): boolean {
    return this.#options.clock.monotonicMs() < this.#validUntilMs;
  }

  /**
   * Grows when the lease is taken anew after it may have run out: what was begun before, others may
   * have settled meanwhile.
   */
  get leaseTerm(): number {
    return this.#leaseTerm;
  }

  /** Whether the lease surely lasts, and never ran out since it was that term. */
  hasHeldLeaseSince(term: number): boolean {
    return this.holdsLease && this.#leaseTerm === term;
  }

  /** The proxies that were alive at the last renewal, this one included. */
  get live(): ReadonlySet<string> {
    return this.#live;
  }

  /** Whether the owner of a write or a repair was gone, as far as is known here. */
  isAbandoned({ owner }: Pick<Intent, 'owner'>): boolean {
    return owner !== this.#options.owner && !this.#live.has(owner);
  }

  /**
   * Asks the store who is alive now. What it says to a later question stays: the answer to an earlier one may come
   * after it, and does not know of a proxy that has started in between. Its writes would be taken for abandoned.
   */
  async refresh(): Promise<void> {
    this.#asked += 1;
    const question = this.#asked;
    const owners = await this.#options.store.liveOwners();
    if (question < this.#heard) return;
    this.#heard = question;
    this.#live = new Set(owners.keys());
  }

  async #renew(): Promise<void> {
    const { store, clock, owner } = this.#options;
    const sentMs = clock.monotonicMs();
    await store.renewLease({ owner, durationMs: this.#leaseMs });
    if (!this.holdsLease) this.#leaseTerm += 1;
    this.#validUntilMs = sentMs + this.#leaseMs * 0.8;
    this.#awaitLapse(sentMs + this.#leaseMs);
    await this.refresh();
  }

  /** @param endMs when the others may take this proxy for dead, unless the lease is renewed */
  #awaitLapse(endMs: number): void {
    const { clock, onLapse } = this.#options;
    this.#lapse?.cancel();
    this.#lapse = clock.after(Math.ceil(this.#validUntilMs - clock.monotonicMs()), () => {
      // Timers may be early by part of a millisecond, in which something may still be committed.
      if (this.holdsLease) this.#awaitLapse(endMs);
      else onLapse?.(Math.max(0, endMs - clock.monotonicMs()));
    });
  }

  async #renewForever(): Promise<void> {
    const { clock, outage } = this.#options;
    const { signal } = this.#stopping;
    let isRenewed = true;
    while (!signal.aborted) {
      // Without a lease no write begins: it is to be back soon after the store is.
      await sleep(clock, this.#leaseMs / (isRenewed ? 4 : 16), signal).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.#renew();
        isRenewed = true;
        outage.worked('lease');
      } catch (error) {
        isRenewed = false;
        outage.failed('lease', error);
      }
    }
  }
}
