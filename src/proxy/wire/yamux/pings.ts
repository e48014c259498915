import type { Clock } from '../../../base/clock.ts';
import { AwaitedPings } from '../awaited-pings.ts';
import { EventRate } from './event-rate.ts';
import { frameFlag, frameType, YamuxProtocolError } from './frames.ts';
import type { FrameOutput } from './output.ts';

const maxPerSecond = 100;

/** The PING frames of a session: answers the peer's, and sends our own. */
export class Pings {
  readonly #output: Pick<FrameOutput, 'control'>;
  readonly #fromPeer: EventRate;
  readonly #awaited: AwaitedPings;

  constructor(output: Pick<FrameOutput, 'control'>, clock: Clock) {
    this.#output = output;
    this.#fromPeer = new EventRate(clock, maxPerSecond, 1000);
    this.#awaited = new AwaitedPings(clock);
  }

  /**
   * Resolves when the peer has answered: by then it has got all that was sent before.
   *
   * @throws TimeoutError after `limitMs`, or what the session has ended with
   */
  async send(limitMs: number): Promise<void> {
    await this.#awaited.send(limitMs, (number) =>
      this.#output.control(frameType.ping, frameFlag.syn, 0, number),
    );
  }

  /** @throws YamuxProtocolError if the peer floods us */
  onFrame(flags: number, value: number): void {
    if ((flags & frameFlag.ack) !== 0) this.#awaited.answered(value);
    if ((flags & frameFlag.syn) === 0) return;
    if (this.#fromPeer.exceeds()) throw new YamuxProtocolError('the peer floods us with pings');
    this.#output.control(frameType.ping, frameFlag.ack, 0, value);
  }

  /** Rejects what is under way, and everything from now on. */
  close(error: Error): void {
    this.#awaited.close(error);
  }
}
