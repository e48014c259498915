import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import { sleep, type Clock } from '../../base/clock.ts';
import { deferred } from '../../base/deferred.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { ToWorker } from './messages.ts';
import type { WorkerProcess } from './worker-process.ts';

/** What there is to know of a worker here. */
export type Worker = Pick<WorkerProcess, 'number' | 'ended' | 'hasServed' | 'tell' | 'kill'>;

export interface WorkersOptions<W extends Worker> {
  readonly count: number;
  /** Starts the worker of that number, from 1. */
  start(number: number): W;
  /** One has ended. */
  onEnded(worker: W): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const restartPolicy: BackoffPolicy = { initialMs: 200, maxMs: 30_000 };
/** One that has lived for so long has ended for another reason than the one before. */
const goodLifeMs = 60_000;

/**
 * Keeps so many workers running. One that ends is started again, and waited for longer each time, up to
 * 30 s; the others do not notice.
 */
export class Workers<W extends Worker> {
  /**
   * Rejects if one ends by itself before any has served: then the configuration is wrong, and a person
   * has to see it.
   */
  readonly failed: Promise<never>;
  readonly #options: WorkersOptions<W>;
  readonly #running = new Map<number, W>();
  readonly #stopping = new AbortController();
  #loops: readonly Promise<boolean>[] = [];
  readonly #failure = deferred<never>();
  #hasServed = false;
  #restarts = 0;

  constructor(options: WorkersOptions<W>) {
    this.#options = options;
    this.failed = this.#failure.promise;
    // Whoever waits for it hears of it.
    this.failed.catch(() => {});
  }

  /** Called once. */
  start(): void {
    const { count } = this.#options;
    this.#loops = Array.from({ length: count }, (_, index) => this.#keep(index + 1));
  }

  /** Those that run, by number. */
  get running(): readonly W[] {
    return [...this.#running.values()].toSorted((a, b) => a.number - b.number);
  }

  /** How often one has ended that should not have. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Tells all to stop, and waits until they have ended.
   *
   * @returns whether all that had served ended in order
   */
  async stop(): Promise<boolean> {
    this.#stopping.abort();
    this.#tellAll({ kind: 'stop' });
    const ends = await Promise.all(this.#loops);
    return ends.every((inOrder) => inOrder);
  }

  /** After {@link stop}: they do not wait for clients any more. */
  hurry(): void {
    this.#tellAll({ kind: 'hurry' });
  }

  killAll(): void {
    for (const worker of this.#running.values()) worker.kill();
  }

  #tellAll(message: ToWorker): void {
    for (const worker of this.#running.values()) worker.tell(message);
  }

  /** Runs one worker after the other under a number. Resolves with whether the last ended in order. */
  async #keep(number: number): Promise<boolean> {
    const { clock, random, logger, start, onEnded } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 1; ; failures++) {
      const startedMs = clock.monotonicMs();
      const worker = start(number);
      this.#running.set(number, worker);
      const end = await worker.ended;
      this.#hasServed ||= this.running.some(({ hasServed }) => hasServed);
      this.#running.delete(number);
      onEnded(worker);
      if (signal.aborted) return end.code === 0 || !worker.hasServed;
      if (!this.#hasServed && end.code !== null) {
        this.#failure.reject(new Error(`worker ${number} could not start: see what it has logged`));
        return false;
      }
      if (clock.monotonicMs() - startedMs >= goodLifeMs) failures = 1;
      const restartMs = Math.round(backoffDelayMs(restartPolicy, failures, random));
      logger.error(
        { worker: number, ...end, restartMs },
        'a worker has ended: it is started again',
      );
      this.#restarts += 1;
      await sleep(clock, restartMs, signal).catch(() => {});
      if (signal.aborted) return true;
    }
  }
}
