import type { Clock, Timer } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';

interface Happening {
  readonly dueMs: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

const startWallMs = 1_700_000_000_000;

/**
 * The time of a simulation and all that is going to happen in it. Things happen one after the other,
 * each with everything that follows from it at once, so that the same seed gives the same run.
 */
export class Timeline implements Clock {
  readonly random: Random;
  /** What has happened, with times; empty unless it is wanted. */
  readonly told: string[] = [];
  readonly #isTold: boolean;
  /** A binary heap, earliest first. */
  readonly #heap: Happening[] = [];
  #nowMs = 0;
  #lastOrder = 0;
  #steps = 0;
  #onStep: (() => void) | undefined;

  constructor(random: Random, isTold: boolean) {
    this.random = random;
    this.#isTold = isTold;
  }

  /** How many things have happened. */
  get steps(): number {
    return this.#steps;
  }

  /** Calls `onStep` after everything that happens, with all that follows from it at once. */
  watch(onStep: () => void): void {
    this.#onStep = onStep;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return startWallMs + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    this.#lastOrder += 1;
    const happening = { dueMs: this.#nowMs + delayMs, order: this.#lastOrder, callback };
    this.#push(happening);
    return {
      cancel: () => {
        (happening as Happening).callback = undefined;
      },
    };
  }

  /** Lets time go by until `isOver` says so, or until that time. Returns whether it said so. */
  async run(untilMs: number, isOver: () => boolean = () => false): Promise<boolean> {
    await promisesSettled();
    for (;;) {
      if (isOver()) return true;
      const next = this.#heap[0];
      if (next === undefined || next.dueMs > untilMs) break;
      this.#pop();
      const { callback } = next;
      if (callback === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#steps += 1;
      callback();
      await promisesSettled();
      this.#onStep?.();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return isOver();
  }

  /** A number in [`from`, `to`). */
  between(from: number, to: number): number {
    return from + this.random.next() * (to - from);
  }

  chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  tell(what: () => string): void {
    if (this.#isTold) this.told.push(`${this.#nowMs.toFixed(1).padStart(9)}  ${what()}`);
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let index = heap.push(happening) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfEarlier(index, parent)) break;
      index = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let index = 0; ;) {
      const left = index * 2 + 1;
      const right = left + 1;
      const child = isEarlier(heap[right], heap[left]) ? right : left;
      if (!this.#swapIfEarlier(child, index)) return;
      index = child;
    }
  }

  #swapIfEarlier(below: number, above: number): boolean {
    const heap = this.#heap;
    const [lower, upper] = [heap[below], heap[above]];
    if (lower === undefined || upper === undefined || !isEarlier(lower, upper)) return false;
    heap[above] = lower;
    heap[below] = upper;
    return true;
  }
}

function isEarlier(a: Happening | undefined, b: Happening | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

/** Node.js calls back when no promise is left to be settled: far sooner than its event loop turns. */
function promisesSettled(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}
