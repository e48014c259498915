import { sleep, type Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stoppable } from '../../base/scope.ts';
import {
  initialHealth,
  stepHealth,
  type HealthEvidence,
  type HealthState,
  type NodeHealth,
} from './node-health.ts';

export interface HealthMonitorOptions {
  readonly storage: string;
  /** Asks the storage whether it serves; rejects when it cannot say, or has not within the limit. */
  check(limitMs: number): Promise<boolean>;
  /** A number that changes with everything that arrives from the storage. */
  receivedBytes(): number;
  /** The storage has been given up although its connection stands: it hangs. */
  onHung(reason: string): void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Length of a round. Default 250 ms. */
  readonly intervalMs?: number;
}

/** Longer than the rounds that a check may stay without an answer. */
const checkLimitMs = 15_000;

/** Silence is noticed that much finer than it is asked for. */
const roundsBetweenChecks = 2;

/**
 * Keeps the health of one storage up to date: checks it, and listens to its connection. There is one
 * check at a time: more of them would only wait behind it. The next one comes two rounds after it was sent,
 * or when it is answered later than that.
 */
export class HealthMonitor implements Stoppable {
  readonly #options: HealthMonitorOptions;
  readonly #stopping = new AbortController();
  #state: HealthState = initialHealth;
  #running: Promise<void> | undefined;
  #isChecking = false;
  #healthySinceMs = 0;
  /** Rounds that have ended since the last check was sent. */
  #rounds = 0;
  /** {@link HealthMonitorOptions.receivedBytes}, at the end of the last round. */
  #receivedBytes = 0;

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  get health(): NodeHealth {
    return this.#state.health;
  }

  /** For how long it has been healthy without a break; 0 if it is not. */
  get healthyForMs(): number {
    if (this.health.kind !== 'healthy') return 0;
    return this.#options.clock.monotonicMs() - this.#healthySinceMs;
  }

  start(): void {
    this.#running ??= this.#runRounds();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** The connection has just been made: no need to wait for the next round. */
  connected(): void {
    this.#receivedBytes = this.#options.receivedBytes();
    if (!this.#isChecking) void this.#check();
  }

  connectionLost(reason: string): void {
    this.#weigh({ kind: 'connectionLost', reason });
  }

  async #runRounds(): Promise<void> {
    const { clock, intervalMs = 250 } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(clock, intervalMs, signal).catch(() => {});
      if (!signal.aborted) this.#endRound();
    }
  }

  #endRound(): void {
    const receivedBytes = this.#options.receivedBytes();
    const heard = receivedBytes !== this.#receivedBytes;
    this.#receivedBytes = receivedBytes;
    this.#rounds += 1;
    if (this.#isChecking) this.#weigh({ kind: 'unanswered', heard });
    else if (this.#rounds >= roundsBetweenChecks) void this.#check();
  }

  async #check(): Promise<void> {
    this.#isChecking = true;
    this.#rounds = 0;
    const evidence = await this.#askOnce();
    this.#isChecking = false;
    this.#weigh(evidence);
  }

  async #askOnce(): Promise<HealthEvidence> {
    try {
      const serving = await this.#options.check(checkLimitMs);
      return serving
        ? { kind: 'checkPassed' }
        : { kind: 'checkRefused', reason: 'it does not serve' };
    } catch (error) {
      return { kind: 'checkRefused', reason: errorMessage(error) };
    }
  }

  #weigh(evidence: HealthEvidence): void {
    if (this.#stopping.signal.aborted) return;
    const { clock, logger, storage, onHung } = this.#options;
    const before = this.#state.health;
    const { state, hangs } = stepHealth(this.#state, evidence);
    this.#state = state;
    const { health } = state;
    if (health.kind === 'healthy' && before.kind !== 'healthy') {
      this.#healthySinceMs = clock.monotonicMs();
      logger.info({ storage }, 'storage is healthy');
    }
    if (health.kind === 'unhealthy' && before.kind !== 'unhealthy') {
      logger.warn({ storage, reason: health.reason }, 'storage is unhealthy');
    }
    if (hangs !== undefined) onHung(hangs);
  }
}
