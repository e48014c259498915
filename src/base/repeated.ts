import { sleep, type Clock } from './clock.ts';
import type { Stoppable } from './scope.ts';

export interface RepeatedOptions {
  readonly clock: Clock;
  /** From the end of one turn to the next. */
  readonly intervalMs: number;
  /** A turn has failed. The next one comes all the same. */
  onFailed(error: unknown): void;
}

/** Does something again and again, one turn after the other, until it is stopped. */
export class Repeated implements Stoppable {
  readonly #turn: () => Promise<void>;
  readonly #options: RepeatedOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(turn: () => Promise<void>, options: RepeatedOptions) {
    this.#turn = turn;
    this.#options = options;
  }

  /** Goes on after a first turn. Rejects if that one does, and does not go on then. */
  async start(): Promise<void> {
    await this.#turn();
    this.startLater();
  }

  /** The first turn comes after the interval. */
  startLater(): void {
    this.#running ??= this.#goOn();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #goOn(): Promise<void> {
    const { clock, intervalMs, onFailed } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(clock, intervalMs, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.#turn();
      } catch (error) {
        onFailed(error);
      }
    }
  }
}
