import { TimeoutError, type Clock } from '../../../base/clock.ts';
import type { FrameWriter } from './frame-writer.ts';
import { uint32 } from './frame-reader.ts';

interface PendingPing {
  readonly sentMs: number;
  settle(outcome: number | Error): void;
}

/** More than these need not be under way at a time. */
const maxPending = 64;
/** Tells our pings from others: "ping". */
const payloadMark = 0x70696e67;

/** The PING frames that we send. */
export class Pings {
  readonly #output: FrameWriter;
  readonly #clock: Clock;
  readonly #pending = new Map<number, PendingPing>();
  #sent = 0;
  #closed: Error | undefined;

  constructor(output: FrameWriter, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
  }

  /** Resolves with the round trip in ms; rejects after `limitMs`, or when the session ends. */
  send(limitMs: number): Promise<number> {
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
      const payload = Buffer.allocUnsafe(8);
      payload.writeUInt32BE(payloadMark, 0);
      payload.writeUInt32BE(number, 4);
      this.#output.ping(payload, 0);
    });
  }

  /** An answer with this payload has arrived. */
  onAck(bytes: Buffer, start: number): void {
    const ping = this.#pending.get(uint32(bytes, start + 4));
    if (ping === undefined || uint32(bytes, start) !== payloadMark) return;
    ping.settle(this.#clock.monotonicMs() - ping.sentMs);
  }

  /** Rejects what is under way, and everything from now on. */
  close(error: Error): void {
    this.#closed = error;
    for (const ping of this.#pending.values()) ping.settle(error);
  }
}
