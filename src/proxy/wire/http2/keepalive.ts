import type { Clock, Timer } from '../../../base/clock.ts';

export interface KeepaliveOptions {
  /** How much of whatever kind has arrived: a number that changes with it. */
  received(): number;
  /** Asks for a sign of life; rejects if there is none within the limit. */
  ping(limitMs: number): Promise<unknown>;
  readonly clock: Clock;
  /** How often it is looked whether something has arrived. */
  readonly intervalMs: number;
  /** How long the peer has for its answer. */
  readonly limitMs: number;
  /** The peer shows no sign of life. Called once at most, and not after `stop`. */
  onSilent(): void;
}

/**
 * Finds out that a peer is dead whose machine or network is gone, and that therefore never closes its
 * connection: one from which nothing has arrived for a whole interval is pinged. Pings are never
 * closer than the interval: servers take offence at that, gRPC's usually below 10 s.
 */
export class Keepalive {
  readonly #options: KeepaliveOptions;
  #received: number;
  #timer: Timer;
  #isStopped = false;

  /** Begins at once. Without {@link stop} it goes on until the peer is silent. */
  constructor(options: KeepaliveOptions) {
    this.#options = options;
    this.#received = options.received();
    this.#timer = this.#next();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.cancel();
  }

  #next(): Timer {
    const { clock, intervalMs } = this.#options;
    return clock.after(intervalMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { received, ping, limitMs, onSilent } = this.#options;
    const now = received();
    if (now === this.#received) {
      try {
        await ping(limitMs);
      } catch {
        if (!this.#isStopped) onSilent();
        return;
      }
    }
    this.#received = received();
    if (!this.#isStopped) this.#timer = this.#next();
  }
}
