import type { Clock } from '../../src/base/clock.ts';

/**
 * How long the operator takes to plan a group, seen from outside: from the last look that it takes after a list of
 * placements to the first drain that it asks for. That it writes the cluster's status in between counts too.
 */
export class PlanTimes {
  readonly #clock: Clock;
  #hasListed = false;
  #lookedMs = 0;
  #longestMs = 0;
  #lists = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In milliseconds of the machine; 0 if nothing was planned. */
  get longestMs(): number {
    return this.#longestMs;
  }

  /** How many lists were made. */
  get lists(): number {
    return this.#lists;
  }

  noteList(): void {
    this.#lists++;
    this.#hasListed = true;
    this.noteLook();
  }

  noteLook(): void {
    this.#lookedMs = this.#clock.monotonicMs();
  }

  noteDecision(): void {
    if (!this.#hasListed) return;
    this.#hasListed = false;
    this.#longestMs = Math.max(this.#longestMs, this.#clock.monotonicMs() - this.#lookedMs);
  }
}
