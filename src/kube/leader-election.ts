import { sleep, withTimeout, type Clock, type Timer } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Stoppable } from '../base/scope.ts';
import type { KubeClient } from './kube-client.ts';
import { isKubeError } from './kube-error.ts';
import { kubeMicroTime } from '../api/kube-time.ts';
import { resourceTypes, type Lease, type ObjectName } from './resource-types.ts';

/** What a leader election needs. */
export interface LeaderElectionOptions {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace'>;
  /** The Lease that the candidates compete for. */
  readonly lease: ObjectName;
  /** Who we are; different for each candidate. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once, when we lead. */
  readonly onElected: () => void;
  /** Called once, when we led and cannot be sure of it any more. The process should exit. */
  readonly onLost: (reason: string) => void;
  readonly timing?: LeaseTiming;
}

/** How long each step of the protocol may take. */
export interface LeaseTiming {
  /** A lease that nobody was seen to renew for so long may be taken. Default 15 s. */
  readonly durationMs: number;
  /** A leader that could not renew for so long gives up, before others may take over. Default 10 s. */
  readonly renewDeadlineMs: number;
  /** Between two attempts. Default 2 s. */
  readonly retryMs: number;
}

const defaultTiming: LeaseTiming = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

/** Who holds the Lease after an attempt; undefined: it could not be found out. */
type Holder = 'us' | 'another' | undefined;

/**
 * Competes for a Lease, and holds it once it has it.
 *
 * 1. Read the Lease. There is none: create it, and lead.
 * 2. Its holder is another one, and its record has changed within the lease's duration *by our own
 *    clock since we saw it*: wait. The times in the record are not compared, as clocks differ.
 * 3. Else replace it with our name, on the version that was read: of several, one wins.
 * 4. Leading, renew in the same way. Another one holds it, or the last success is longer ago than the
 *    renew deadline, whatever hangs: lost, for good.
 *
 * `stop` gives a held Lease back, so that the next candidate need not wait.
 */
export class LeaderElection implements Stoppable {
  readonly #options: LeaderElectionOptions;
  readonly #timing: LeaseTiming;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #held: Lease | undefined;
  #renewDeadline: Timer | undefined;
  #seen: { readonly record: string; readonly atMs: number } | undefined;

  private constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#timing = options.timing ?? defaultTiming;
    this.#running = this.#run();
  }

  static start(options: LeaderElectionOptions): LeaderElection {
    return new LeaderElection(options);
  }

  /** Whether we hold the Lease, as far as we know. */
  get isLeader(): boolean {
    return this.#held !== undefined;
  }

  /** So that one attempt that hangs leaves time for another before the deadline. */
  get #attemptLimitMs(): number {
    return this.#timing.renewDeadlineMs / 2;
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopped'));
    await this.#running;
    await this.#release();
  }

  async #run(): Promise<void> {
    const { clock, random, logger, identity, onElected } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const led = this.isLeader;
      const holder = await this.#attempt();
      if (signal.aborted) return;
      if (holder === 'us' && !led) {
        logger.info({ identity }, 'this replica leads');
        onElected();
      }
      if (holder === 'another' && led) this.#lose('another replica holds the lease');
      await sleep(clock, this.#timing.retryMs * (1 + 0.2 * random.next()), signal).catch(() => {});
    }
  }

  /** Tries to get or to keep the Lease. */
  async #attempt(): Promise<Holder> {
    const { clock, logger } = this.#options;
    // Others count from when they see the result, which is later.
    const startedMs = clock.monotonicMs();
    try {
      const acquired = this.#acquire();
      const lease = await withTimeout(clock, this.#attemptLimitMs, 'renewing the lease', acquired);
      if (!lease) return 'another';
      this.#held = lease;
      this.#restartDeadline(startedMs);
      return 'us';
    } catch (thrown) {
      // Somebody was faster; the next attempt will tell who.
      if (!isKubeError(thrown, 409)) {
        logger.warn({ reason: errorMessage(thrown) }, 'the lease could not be read or renewed');
      }
      return undefined;
    }
  }

  async #acquire(): Promise<Lease | undefined> {
    const { client, lease: name } = this.#options;
    const current = await client.get(resourceTypes.lease, name);
    if (!current) return client.create(this.#newLease());
    if (!this.#mayTake(current)) return undefined;
    return client.replace({ ...current, spec: this.#claim(current) });
  }

  #mayTake({ spec, metadata }: Lease): boolean {
    const { clock, identity } = this.#options;
    const { holderIdentity = '', leaseDurationSeconds = 0 } = spec;
    if (holderIdentity === identity || holderIdentity === '') return true;
    const record = `${metadata.uid}/${metadata.resourceVersion}`;
    if (this.#seen?.record !== record) this.#seen = { record, atMs: clock.monotonicMs() };
    const durationMs = Math.max(this.#timing.durationMs, leaseDurationSeconds * 1000);
    return clock.monotonicMs() - this.#seen.atMs >= durationMs;
  }

  #claim({ spec }: Lease): Lease['spec'] {
    const { clock, identity } = this.#options;
    const now = kubeMicroTime(clock.wallMs());
    const ours = spec.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#timing.durationMs / 1000),
      acquireTime: ours ? (spec.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (spec.leaseTransitions ?? 0) + (ours ? 0 : 1),
    };
  }

  #newLease(): Lease {
    const none: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: this.#options.lease,
      spec: { leaseTransitions: -1 },
    };
    return { ...none, spec: this.#claim(none) };
  }

  #restartDeadline(renewedAtMs: number): void {
    const { clock } = this.#options;
    this.#renewDeadline?.cancel();
    const leftMs = renewedAtMs + this.#timing.renewDeadlineMs - clock.monotonicMs();
    this.#renewDeadline = clock.after(leftMs, () =>
      this.#lose('the lease was not renewed in time'),
    );
  }

  #lose(reason: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort(new Error(reason));
    this.#held = undefined;
    this.#renewDeadline?.cancel();
    this.#options.onLost(reason);
  }

  async #release(): Promise<void> {
    this.#renewDeadline?.cancel();
    const held = this.#held;
    if (!held) return;
    this.#held = undefined;
    const { client, clock, logger } = this.#options;
    const spec = { ...held.spec, holderIdentity: '', renewTime: kubeMicroTime(clock.wallMs()) };
    try {
      const release = client.replace({ ...held, spec });
      await withTimeout(clock, this.#attemptLimitMs, 'releasing the lease', release);
    } catch (thrown) {
      logger.warn({ reason: errorMessage(thrown) }, 'the lease runs out instead of being released');
    }
  }
}
