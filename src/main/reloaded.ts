import { isDeepStrictEqual } from 'node:util';
import { sleep, type Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Stoppable } from '../base/scope.ts';

export interface ReloadedOptions<T> {
  /** Reads everything. Rejects with an error that says which file is wrong, and what to do. */
  read(): Promise<T>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a change may take to be seen. Default 10 s. */
  readonly intervalMs?: number;
}

/** What is read from files, and read again as long as the process runs: Kubernetes changes them. */
export class Reloaded<T> implements Stoppable {
  readonly #options: ReloadedOptions<T>;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #current: T;
  #problem: string | undefined;

  private constructor(options: ReloadedOptions<T>, first: T) {
    this.#options = options;
    this.#current = first;
    this.#running = this.#readForever();
  }

  /** Rejects as `read` does if the first attempt fails. */
  static async start<T>(options: ReloadedOptions<T>): Promise<Reloaded<T>> {
    return new Reloaded(options, await options.read());
  }

  /** What was read last. The same object until the contents change; kept if they cannot be read. */
  get current(): T {
    return this.#current;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #readForever(): Promise<void> {
    const { clock, intervalMs = 10_000 } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(clock, intervalMs, signal).catch(() => {});
      if (!signal.aborted) await this.#readAgain();
    }
  }

  async #readAgain(): Promise<void> {
    const { read, logger } = this.#options;
    try {
      const next = await read();
      if (!isDeepStrictEqual(next, this.#current)) this.#current = next;
      this.#problem = undefined;
    } catch (error) {
      // Once for each problem, not each time it is met.
      if (errorMessage(error) === this.#problem) return;
      this.#problem = errorMessage(error);
      logger.warn({ err: error }, `${this.#problem}; what was read before stays in use`);
    }
  }
}
