import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';

/** What a proxy needs the store for all the time; each can fail without the others. */
export type StoreUse = 'changes' | 'lease' | 'repositories';

export interface StoreOutageOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

const reminderMs = 60_000;

/**
 * Tells people that the store is away: one line when the first use of it fails, a reminder once a
 * minute as long as any does, and one line when all work again. Everyone who uses the store reports
 * here instead of logging, because all of them fail at once, and some twice a second.
 */
export class StoreOutage {
  readonly #options: StoreOutageOptions;
  readonly #failing = new Set<StoreUse>();
  /** Monotonic times, of the current outage. */
  #sinceMs = 0;
  #toldMs = 0;

  constructor(options: StoreOutageOptions) {
    this.#options = options;
  }

  failed(use: StoreUse, error: unknown): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    const isFirst = this.#failing.size === 0;
    this.#failing.add(use);
    const fields = { use, reason: errorMessage(error) };
    if (isFirst) {
      this.#sinceMs = this.#toldMs = nowMs;
      logger.warn(fields, 'the control store cannot be used; reads go on from what is known');
    } else if (nowMs - this.#toldMs >= reminderMs) {
      this.#toldMs = nowMs;
      const awayMs = Math.round(nowMs - this.#sinceMs);
      logger.warn({ ...fields, awayMs }, 'the control store still cannot be used');
    }
  }

  worked(use: StoreUse): void {
    if (!this.#failing.delete(use) || this.#failing.size > 0) return;
    const { clock, logger } = this.#options;
    const awayMs = Math.round(clock.monotonicMs() - this.#sinceMs);
    logger.info({ awayMs }, 'the control store can be used again');
  }
}
