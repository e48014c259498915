import type { Clock, Timer } from './clock.ts';
import { NumberMap } from './number-map.ts';

/**
 * Timers that come up to `slackMs` late, for limits that are hardly ever reached: those that end at
 * about the same time share one timer of the clock, so that setting and cancelling one, which is done
 * for each call, costs next to nothing.
 */
export class CoarseTimers implements Pick<Clock, 'after'> {
  readonly #clock: Clock;
  readonly #slackMs: number;
  /** By the number of their slot of `slackMs` on the clock. */
  readonly #slots = new Map<number, Slot>();

  constructor(clock: Clock, slackMs: number) {
    this.#clock = clock;
    this.#slackMs = slackMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const number = Math.ceil((this.#clock.monotonicMs() + delayMs) / this.#slackMs);
    let slot = this.#slots.get(number);
    if (slot === undefined) {
      this.#dropEmpty();
      const delayOfSlotMs = number * this.#slackMs - this.#clock.monotonicMs();
      slot = new Slot(this.#clock.after(delayOfSlotMs, () => this.#end(number)));
      this.#slots.set(number, slot);
    }
    return slot.add(callback);
  }

  /** Whose timers were all cancelled: with limits of hours there would be more and more of them. */
  #dropEmpty(): void {
    for (const [number, slot] of this.#slots) {
      if (!slot.isEmpty) continue;
      slot.timer.cancel();
      this.#slots.delete(number);
    }
  }

  #end(number: number): void {
    const slot = this.#slots.get(number);
    this.#slots.delete(number);
    slot?.end();
  }
}

/** What ends at the same time. */
class Slot {
  /** The clock's. */
  readonly timer: Timer;
  readonly #timers = new NumberMap<CoarseTimer>();
  #last = 0;

  constructor(timer: Timer) {
    this.timer = timer;
  }

  get isEmpty(): boolean {
    return this.#timers.size === 0;
  }

  add(callback: () => void): Timer {
    this.#last += 1;
    const timer = new CoarseTimer(this.#timers, this.#last, callback);
    this.#timers.set(this.#last, timer);
    return timer;
  }

  end(): void {
    for (const timer of this.#timers.values()) timer.end();
  }
}

class CoarseTimer implements Timer {
  readonly #timers: NumberMap<CoarseTimer>;
  readonly #number: number;
  readonly #callback: () => void;

  constructor(timers: NumberMap<CoarseTimer>, number: number, callback: () => void) {
    this.#timers = timers;
    this.#number = number;
    this.#callback = callback;
  }

  cancel(): void {
    this.#timers.delete(this.#number);
  }

  /** Calls back, unless another one that ended just before has cancelled this one. */
  end(): void {
    if (this.#timers.delete(this.#number)) this.#callback();
  }
}
