import type { Clock } from '../../../base/clock.ts';

/** Counts events and tells when there are more than `limit` in one window of `windowMs`. */
export class EventRate {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #windowMs: number;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(clock: Clock, limit: number, windowMs: number) {
    this.#clock = clock;
    this.#limit = limit;
    this.#windowMs = windowMs;
  }

  /** @returns true if this event is one too many */
  exceeds(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#windowStartMs >= this.#windowMs) {
      this.#windowStartMs = nowMs;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count > this.#limit;
  }
}
