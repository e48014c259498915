import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { withTimeout, type Clock, type Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Stoppable } from '../base/scope.ts';

/** Finds the IP addresses of a name. */
export type Lookup = (host: string) => Promise<readonly string[]>;

export interface DiscoveryOptions {
  readonly host: string;
  readonly lookup: Lookup;
  /** Told of the first addresses, and whenever they change; sorted, at least one. */
  readonly onChange: (addresses: readonly string[]) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How often the name is looked up again. Default 10 s. */
  readonly intervalMs?: number;
  /** How long a lookup may take. Default 15 s. */
  readonly lookupLimitMs?: number;
}

/** Between a lookup that failed and the next. */
const failurePolicy: BackoffPolicy = { initialMs: 500, maxMs: 10_000 };

/** Between two lookups that {@link Discovery.refresh} asked for. */
const minRefreshMs = 1000;

/**
 * Keeps the addresses of a name: looks it up at once, then again and again. When a lookup fails or
 * finds nothing, the addresses known before stay: a name server that is down takes nothing away.
 */
export class Discovery implements Stoppable {
  readonly #options: Required<DiscoveryOptions>;
  #known: readonly string[] = [];
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  #lastStartMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #isStopped = false;

  constructor(options: DiscoveryOptions) {
    this.#options = { intervalMs: 10_000, lookupLimitMs: 15_000, ...options };
  }

  /** The addresses known now; none before the first lookup has succeeded. */
  get addresses(): readonly string[] {
    return this.#known;
  }

  /**
   * Looks the name up now, for a caller that has trouble with the addresses it has. Joins a lookup
   * that is under way, and does nothing within a second after the last. Never rejects.
   */
  refresh(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    const sinceMs = this.#options.clock.monotonicMs() - this.#lastStartMs;
    if (this.#running === undefined && sinceMs < minRefreshMs) return Promise.resolve();
    return this.#run();
  }

  /** Looks up no more. A lookup under way is left to itself: it cannot be cancelled. */
  stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    return Promise.resolve();
  }

  #run(): Promise<void> {
    this.#running ??= this.#lookUp().finally(() => {
      this.#running = undefined;
      this.#schedule();
    });
    return this.#running;
  }

  async #lookUp(): Promise<void> {
    const { clock, host, lookup, lookupLimitMs, logger } = this.#options;
    this.#timer?.cancel();
    this.#lastStartMs = clock.monotonicMs();
    try {
      const what = `looking up ${host}`;
      const found = await withTimeout(clock, lookupLimitMs, what, lookup(host));
      if (found.length === 0) throw new Error(`${host} has no address`);
      this.#failures = 0;
      this.#update([...new Set(found)].sort());
    } catch (error) {
      this.#failures += 1;
      logger.warn({ host, err: error }, 'the lookup failed; addresses known before stay in use');
    }
  }

  #update(addresses: readonly string[]): void {
    if (this.#isStopped || addresses.join() === this.#known.join()) return;
    this.#known = addresses;
    this.#options.onChange(addresses);
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const { clock, intervalMs, random } = this.#options;
    const delayMs =
      this.#failures === 0 ? intervalMs : backoffDelayMs(failurePolicy, this.#failures, random);
    this.#timer = clock.after(delayMs, () => void this.#run());
  }
}
