import { ByteQueue } from './byte-queue.ts';
import type { Transport } from './transport.ts';

/** A transport that never keeps what it is given to write: chunks need no copy on their way. */
export interface CopyingTransport extends Transport {
  write(bytes: Buffer, length: number): true;
}

type Side = 'client' | 'server';

/** How a {@link splice} ended, with the bytes that each side sent and the other took. */
export type SpliceOutcome = {
  readonly fromClient: number;
  readonly fromServer: number;
} & (
  | { readonly kind: 'completed' }
  /** `side` went away before the server had ended. The other one was reset. */
  | { readonly kind: 'failed'; readonly side: Side; readonly reason: string }
);

/**
 * Joins both ends of a sidechannel, byte for byte, and starts both.
 *
 * 1. Bytes go on as soon as the other side takes them. What it does not take yet is kept, and the
 *    sender gets its window back only when it was taken: so at most one window is kept a direction.
 * 2. A side's end is passed on after its bytes.
 * 3. When the server has ended and its last byte was handed to the client's stream, it is over:
 *    Gitaly's closing means that it reads no more either. Whatever the client still sends is
 *    dropped, and both streams are ended, not reset: a reset would make Go drop unread bytes.
 * 4. If a side is gone before that, the other one is reset, so that a cut transfer is never taken
 *    for a complete one. To cancel, destroy either stream.
 *
 * What is written later to the client's session leaves after the last byte: a response that waits
 * for this promise cannot overtake the sidechannel.
 */
export function splice(client: CopyingTransport, server: CopyingTransport): Promise<SpliceOutcome> {
  return new Promise((resolve) => {
    new Splice(client, server, resolve).start();
  });
}

class Splice {
  readonly #client: CopyingTransport;
  readonly #server: CopyingTransport;
  readonly #upload: Pump;
  readonly #download: Pump;
  readonly #resolve: (outcome: SpliceOutcome) => void;
  #isOver = false;

  constructor(
    client: CopyingTransport,
    server: CopyingTransport,
    resolve: (outcome: SpliceOutcome) => void,
  ) {
    this.#client = client;
    this.#server = server;
    this.#resolve = resolve;
    this.#upload = new Pump(client, server, () => {});
    this.#download = new Pump(server, client, () => this.#complete());
  }

  start(): void {
    this.#client.start({
      onData: (chunk) => this.#upload.onData(chunk),
      onDrain: () => this.#download.flush(),
      onEnd: () => this.#upload.onEnd(),
      onClose: (error) => this.#fail('client', this.#server, error),
    });
    this.#server.start({
      onData: (chunk) => this.#download.onData(chunk),
      onDrain: () => this.#upload.flush(),
      onEnd: () => this.#download.onEnd(),
      onClose: (error) => {
        // One that has ended may be gone while its last bytes are still on their way.
        if (!this.#download.sourceHasEnded) this.#fail('server', this.#client, error);
      },
    });
  }

  #complete(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#upload.dropRest();
    this.#resolve({ kind: 'completed', ...this.#counts() });
  }

  #fail(side: Side, other: Transport, cause: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const reason = cause?.message ?? `the ${side} closed the sidechannel`;
    other.destroy(new Error(reason));
    this.#resolve({ kind: 'failed', side, reason, ...this.#counts() });
  }

  #counts() {
    return { fromClient: this.#upload.forwarded, fromServer: this.#download.forwarded };
  }
}

/** One direction. */
class Pump {
  readonly #source: Transport;
  readonly #sink: CopyingTransport;
  readonly #waiting = new ByteQueue();
  #isDropping = false;
  #isFinished = false;
  readonly #onFinished: () => void;
  sourceHasEnded = false;
  forwarded = 0;

  constructor(source: Transport, sink: CopyingTransport, onFinished: () => void) {
    this.#source = source;
    this.#sink = sink;
    this.#onFinished = onFinished;
  }

  onData(chunk: Buffer): void {
    if (this.#isDropping) {
      this.#source.consumed(chunk.length);
      return;
    }
    const taken = this.#waiting.length === 0 ? this.#forward(chunk) : 0;
    if (taken < chunk.length) this.#waiting.append(chunk.subarray(taken));
  }

  onEnd(): void {
    this.sourceHasEnded = true;
    this.flush();
  }

  /** The sink has room again, or the source has ended. */
  flush(): void {
    while (this.#waiting.length > 0) {
      const taken = this.#forward(this.#waiting.front());
      if (taken === 0) return;
      this.#waiting.discard(taken);
    }
    if (this.sourceHasEnded && !this.#isFinished) this.#finish();
  }

  /** Ends the sink now, and uses up what still comes without forwarding it. */
  dropRest(): void {
    this.#isDropping = true;
    this.#source.consumed(this.#waiting.length);
    this.#waiting.clear();
    if (!this.#isFinished) this.#finish();
  }

  #finish(): void {
    this.#isFinished = true;
    this.#sink.end();
    this.#onFinished();
  }

  /** @returns how many bytes the sink took */
  #forward(bytes: Buffer): number {
    let taken = 0;
    while (taken < bytes.length) {
      const length = Math.min(this.#sink.capacity(), bytes.length - taken);
      if (length === 0) break;
      this.#sink.write(taken === 0 ? bytes : bytes.subarray(taken), length);
      taken += length;
    }
    this.#source.consumed(taken);
    this.forwarded += taken;
    return taken;
  }
}
