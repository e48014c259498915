import type { Clock } from '../../../base/clock.ts';
import { ConnectionError, errorCodes } from './errors.ts';
import { EventBudget } from './event-budget.ts';
import type { Http2Limits } from './limits.ts';

export interface FloodGuardOptions {
  readonly clock: Clock;
  readonly limits: Pick<
    Http2Limits,
    'controlFrames' | 'resets' | 'prematureResetMs' | 'minPingIntervalMs' | 'maxPingStrikes'
  >;
  /** How many DATA frames we have sent. */
  dataFramesSent(): number;
  /** How many header blocks we have sent. */
  headerBlocksSent(): number;
}

/** What a frame with payload earns: a peer may answer it with updates of two windows, and more. */
const earnedByPayload = 4;
/** A SETTINGS frame may make us visit each stream. */
const settingsCost = 20;

/**
 * Ends connections whose peer makes us work for nothing: floods of control frames (CVE-2019-9512,
 * -9515, -9518) and streams that are opened only to fail (rapid reset, CVE-2023-44487, also where
 * the peer makes us reset them, CVE-2025-8671). Those methods throw a ConnectionError with
 * ENHANCE_YOUR_CALM when it is too much.
 */
export class FloodGuard {
  readonly #options: FloodGuardOptions;
  readonly #controlFrames: EventBudget;
  readonly #resets: EventBudget;
  #payloadFrames = 0;
  #orderlyEnds = 0;
  #turnMs: number | undefined;
  #lastPingMs = Number.NEGATIVE_INFINITY;
  /** What had been sent when the last ping came. */
  #sentAtPing = 0;
  #pingStrikes = 0;

  constructor(options: FloodGuardOptions) {
    const { clock, limits } = options;
    this.#options = options;
    this.#controlFrames = new EventBudget({
      clock,
      limit: limits.controlFrames,
      earned: () => earnedByPayload * (this.#payloadFrames + options.dataFramesSent()),
    });
    this.#resets = new EventBudget({
      clock,
      limit: limits.resets,
      earned: () => this.#orderlyEnds,
    });
  }

  /** The time of the chunk that is being read, in whole ms: the clock is read once a chunk. */
  get turnMs(): number {
    this.#turnMs ??= Math.trunc(this.#options.clock.monotonicMs());
    return this.#turnMs;
  }

  /** A new chunk is being read. */
  beginTurn(): void {
    this.#turnMs = undefined;
  }

  /** Data or headers arrived. */
  onPayload(): void {
    this.#payloadFrames += 1;
  }

  /** A stream ended as it should. */
  onOrderlyEnd(): void {
    this.#orderlyEnds += 1;
  }

  /** A frame arrived that carries nothing. */
  onControlFrame(): void {
    this.#spend(this.#controlFrames, 1, 'too many control frames');
  }

  /**
   * A client asks for a sign of life. It does so from time to time; and to measure the line, when it
   * has just got something. Clients in Go and C take the message as a hint to ping less.
   */
  onClientPing(): void {
    const { limits, dataFramesSent, headerBlocksSent } = this.#options;
    const sent = dataFramesSent() + headerBlocksSent();
    const isQuick = this.turnMs - this.#lastPingMs < limits.minPingIntervalMs;
    if (sent !== this.#sentAtPing) this.#pingStrikes = 0;
    else if (isQuick) this.#pingStrikes += 1;
    this.#sentAtPing = sent;
    this.#lastPingMs = this.turnMs;
    if (this.#pingStrikes > limits.maxPingStrikes) {
      throw new ConnectionError(errorCodes.enhanceYourCalm, 'too_many_pings');
    }
  }

  onSettings(): void {
    this.#spend(this.#controlFrames, settingsCost, 'too many SETTINGS frames');
  }

  /** The peer has reset a stream that was opened then. */
  onPeerReset(openedMs: number): void {
    if (this.turnMs - openedMs < this.#options.limits.prematureResetMs) this.onStreamError();
  }

  /** The peer has made an error that ended a stream, or was refused one. */
  onStreamError(): void {
    this.#spend(this.#resets, 1, 'too many streams come to nothing');
  }

  #spend(budget: EventBudget, cost: number, message: string): void {
    if (!budget.spend(cost)) throw new ConnectionError(errorCodes.enhanceYourCalm, message);
  }
}
