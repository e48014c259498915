import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';

/** What a work queue needs. */
export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** How long a key waits after it failed. Default: 50 ms to 5 minutes. */
  readonly backoff?: BackoffPolicy;
}

const defaultBackoff: BackoffPolicy = { initialMs: 50, maxMs: 300_000, factor: 2, jitter: 0.2 };

/**
 * Keys that wait to be worked on.
 *
 * - A key is in the queue at most once, however often it is added.
 * - A key that is being worked on is never given out a second time; added meanwhile, it is queued as
 *   soon as it is done.
 * - Of several delayed additions of a key the earliest counts.
 *
 * So its size is bounded by the number of keys that exist.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { readonly dueMs: number; readonly timer: Timer }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait to be taken now. */
  get depth(): number {
    return this.#waiting.size;
  }

  /** Queues a key now. */
  add(key: string): void {
    if (this.#stopped) return;
    this.#cancelDelay(key);
    if (this.#running.has(key)) {
      this.#again.add(key);
      return;
    }
    const taker = this.#waiting.has(key) ? undefined : this.#takers.shift();
    if (taker) {
      this.#running.add(key);
      taker(key);
    } else {
      this.#waiting.add(key);
    }
  }

  /** Queues a key after a while, unless it is to be queued earlier anyway. */
  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    const delayed = this.#delayed.get(key);
    if (delayed && delayed.dueMs <= dueMs) return;
    delayed?.timer.cancel();
    const timer = clock.after(delayMs, () => this.add(key));
    this.#delayed.set(key, { dueMs, timer });
  }

  /** Queues a key that failed: the more often in a row, the later. */
  addRateLimited(key: string): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const { backoff = defaultBackoff, random } = this.#options;
    this.addAfter(key, backoffDelayMs(backoff, failures, random));
  }

  /** Ends the key's row of failures. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key, when there is one; undefined once the queue is stopped. `done` must follow. */
  async take(): Promise<string | undefined> {
    if (this.#stopped) return undefined;
    for (const key of this.#waiting) {
      this.#waiting.delete(key);
      this.#running.add(key);
      return key;
    }
    return new Promise((resolve) => {
      this.#takers.push(resolve);
    });
  }

  /** Says that the work on a key that was taken is over. */
  done(key: string): void {
    this.#running.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  /** Drops everything and lets those who wait go. */
  stop(): void {
    this.#stopped = true;
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    this.#waiting.clear();
    this.#again.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #cancelDelay(key: string): void {
    this.#delayed.get(key)?.timer.cancel();
    this.#delayed.delete(key);
  }
}
