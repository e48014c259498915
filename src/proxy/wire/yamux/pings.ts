import { type Clock, TimeoutError } from '../../../base/clock.ts';
import { EventRate } from './event-rate.ts';
import { frameFlag, frameType, maxUint32, YamuxProtocolError } from './frames.ts';
import type { FrameOutput } from './output.ts';

const maxPerSecond = 100;

/** The PING frames of a session: answers the peer's, and sends our own. */
export class Pings {
  readonly #output: Pick<FrameOutput, 'control'>;
  readonly #clock: Clock;
  readonly #fromPeer: EventRate;
  readonly #pending = new Map<number, (error?: Error) => void>();
  #sent = 0;
  #closed: Error | undefined;

  constructor(output: Pick<FrameOutput, 'control'>, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
    this.#fromPeer = new EventRate(clock, maxPerSecond, 1000);
  }

  /**
   * Resolves when the peer has answered: by then it has got all that was sent before.
   *
   * @throws TimeoutError after `limitMs`, or what the session has ended with
   */
  send(limitMs: number): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const number = (this.#sent = (this.#sent + 1) % maxUint32);
      const settle = (error?: Error) => {
        timer.cancel();
        this.#pending.delete(number);
        if (error === undefined) resolve();
        else reject(error);
      };
      const timer = this.#clock.after(limitMs, () =>
        settle(new TimeoutError('the answer to a ping', limitMs)),
      );
      this.#pending.set(number, settle);
      this.#output.control(frameType.ping, frameFlag.syn, 0, number);
    });
  }

  /** @throws YamuxProtocolError if the peer floods us */
  onFrame(flags: number, value: number): void {
    if ((flags & frameFlag.ack) !== 0) this.#pending.get(value)?.();
    if ((flags & frameFlag.syn) === 0) return;
    if (this.#fromPeer.exceeds()) throw new YamuxProtocolError('the peer floods us with pings');
    this.#output.control(frameType.ping, frameFlag.ack, 0, value);
  }

  /** Rejects what is under way, and everything from now on. */
  close(error: Error): void {
    this.#closed = error;
    for (const settle of this.#pending.values()) settle(error);
  }
}
