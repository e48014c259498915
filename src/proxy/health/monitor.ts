import { sleep, type Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stoppable } from '../../base/scope.ts';
import { stepHealth, type HealthEvidence, type NodeHealth } from './node-health.ts';

export interface HealthMonitorOptions {
  readonly storage: string;
  /** Asks the storage whether it serves; rejects or says no when it does not, within the limit. */
  check(limitMs: number): Promise<boolean>;
  /** The storage has been given up although its connection stands: it hangs. */
  onHung(reason: string): void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 500 ms. */
  readonly intervalMs?: number;
  /** How long one check may take. Default 1 s. */
  readonly limitMs?: number;
}

/** Keeps the health of one storage up to date: checks it, and listens to its connection. */
export class HealthMonitor implements Stoppable {
  readonly #options: HealthMonitorOptions;
  readonly #stopping = new AbortController();
  #health: NodeHealth = { kind: 'unknown' };
  #running: Promise<void> | undefined;

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  get health(): NodeHealth {
    return this.#health;
  }

  start(): void {
    this.#running ??= this.#checkForever();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** The connection has just been made: no need to wait for the next round. */
  connected(): void {
    void this.#check();
  }

  connectionLost(reason: string): void {
    this.#weigh({ kind: 'connectionLost', reason });
  }

  async #checkForever(): Promise<void> {
    const { clock, intervalMs = 500 } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(clock, intervalMs, signal).catch(() => {});
      if (!signal.aborted) await this.#check();
    }
  }

  async #check(): Promise<void> {
    const { check, limitMs = 1000 } = this.#options;
    try {
      const serving = await check(limitMs);
      this.#weigh(
        serving ? { kind: 'checkPassed' } : { kind: 'checkMissed', reason: 'it does not serve' },
      );
    } catch (error) {
      this.#weigh({ kind: 'checkMissed', reason: errorMessage(error) });
    }
  }

  #weigh(evidence: HealthEvidence): void {
    if (this.#stopping.signal.aborted) return;
    const { logger, storage, onHung } = this.#options;
    const before = this.#health;
    this.#health = stepHealth(before, evidence);
    if (before.kind === this.#health.kind) return;
    switch (this.#health.kind) {
      case 'healthy':
        logger.info({ storage }, 'storage is healthy');
        break;
      case 'unhealthy':
        logger.warn({ storage, reason: this.#health.reason }, 'storage is unhealthy');
        if (evidence.kind === 'checkMissed') onHung(evidence.reason);
        break;
      case 'unknown':
        break;
    }
  }
}
