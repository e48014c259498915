import type { Clock } from '../../../base/clock.ts';
import { AwaitedPings } from '../awaited-pings.ts';
import type { FrameWriter } from './frame-writer.ts';
import { uint32 } from './frame-reader.ts';

/** Tells our pings from others: "ping". */
const payloadMark = 0x70696e67;

/** The PING frames that we send. */
export class Pings {
  readonly #output: FrameWriter;
  readonly #awaited: AwaitedPings;

  constructor(output: FrameWriter, clock: Clock) {
    this.#output = output;
    this.#awaited = new AwaitedPings(clock);
  }

  /** See {@link AwaitedPings.send}. */
  send(limitMs: number): Promise<number> {
    return this.#awaited.send(limitMs, (number) => {
      const payload = Buffer.allocUnsafe(8);
      payload.writeUInt32BE(payloadMark, 0);
      payload.writeUInt32BE(number, 4);
      this.#output.ping(payload, 0);
    });
  }

  /** An answer with this payload has arrived. */
  onAck(bytes: Buffer, start: number): void {
    if (uint32(bytes, start) === payloadMark) this.#awaited.answered(uint32(bytes, start + 4));
  }

  /** Rejects what is under way, and everything from now on. */
  close(error: Error): void {
    this.#awaited.close(error);
  }
}
