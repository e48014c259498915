import type { Clock } from '../../../base/clock.ts';
import type { RateLimit } from './limits.ts';

export interface EventBudgetOptions {
  readonly clock: Clock;
  readonly limit: RateLimit;
  /** What was earned so far, in the unit of the costs. It never decreases. */
  earned(): number;
}

/**
 * A budget that events use up, and that time and good conduct refill, never beyond `burst`. Costs
 * nearly nothing as long as there is enough: the clock is looked at when it seems used up.
 */
export class EventBudget {
  readonly #options: EventBudgetOptions;
  #used = 0;
  #refilledMs: number;
  #earned = 0;

  constructor(options: EventBudgetOptions) {
    this.#options = options;
    this.#refilledMs = options.clock.monotonicMs();
  }

  /** @returns false if that is more than the budget allows */
  spend(cost: number): boolean {
    this.#used += cost;
    if (this.#used <= this.#options.limit.burst) return true;
    this.#used = Math.max(cost, this.#used - this.#refill());
    return this.#used <= this.#options.limit.burst;
  }

  /** What has come in since the last time. */
  #refill(): number {
    const { clock, limit } = this.#options;
    const nowMs = clock.monotonicMs();
    const earned = this.#options.earned();
    const refill = ((nowMs - this.#refilledMs) / 1000) * limit.perSecond + (earned - this.#earned);
    this.#refilledMs = nowMs;
    this.#earned = earned;
    return refill;
  }
}
