import { type Clock, TimeoutError } from '../../base/clock.ts';

interface AwaitedPing {
  readonly sentMs: number;
  settle(outcome: number | Error): void;
}

/** More than these need not be under way at a time. */
const maxPending = 64;

/** The pings of a session that wait for their answers. */
export class AwaitedPings {
  readonly #clock: Clock;
  readonly #pending = new Map<number, AwaitedPing>();
  #sent = 0;
  #closed: Error | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Sends a ping with a number of its own, of 32 bits. Resolves with the round trip in ms; rejects after `limitMs`,
   * or when the session ends.
   */
  send(limitMs: number, write: (number: number) => void): Promise<number> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (this.#pending.size >= maxPending) {
      return Promise.reject(new Error(`${maxPending} pings have no answer yet`));
    }
    return new Promise((resolve, reject) => {
      const number = (this.#sent = (this.#sent + 1) >>> 0);
      const timer = this.#clock.after(limitMs, () => {
        this.#pending.get(number)?.settle(new TimeoutError('the answer to a ping', limitMs));
      });
      this.#pending.set(number, {
        sentMs: this.#clock.monotonicMs(),
        settle: (outcome) => {
          timer.cancel();
          this.#pending.delete(number);
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome);
        },
      });
      write(number);
    });
  }

  /** The answer to that ping has arrived, if there is such a ping. */
  answered(number: number): void {
    const ping = this.#pending.get(number);
    ping?.settle(this.#clock.monotonicMs() - ping.sentMs);
  }

  /** Rejects what is under way, and everything from now on. */
  close(error: Error): void {
    this.#closed = error;
    for (const ping of this.#pending.values()) ping.settle(error);
  }
}
