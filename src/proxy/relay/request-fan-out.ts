import type { FlowCredit, Http2Stream } from '../wire/http2/stream.ts';

/** What of a stream is needed to send a request on it. */
type RequestStream = Pick<Http2Stream, 'closed' | 'sendData'>;

/**
 * Sends one request stream to several storages. The client gets window back only for what the
 * slowest storage still taking part has taken: that bounds what waits here. A storage that is dropped,
 * or whose stream is over, holds nobody up.
 */
export class RequestFanOut {
  readonly #source: FlowCredit;
  readonly #branches: Branch[] = [];
  #granted = 0;

  constructor(source: FlowCredit) {
    this.#source = source;
  }

  /** Adds a storage's stream; it gets everything from now on. */
  add(stream: RequestStream): void {
    this.#branches.push(new Branch(stream, () => this.#grant()));
  }

  forward(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.#branches.length === 0) {
      this.#source.consumed(end - start);
      return;
    }
    for (const branch of this.#branches) branch.send(bytes, start, end, endStream);
    this.#grant();
  }

  /** Stops sending to a storage. */
  drop(stream: RequestStream): void {
    this.#branches.find((branch) => branch.stream === stream)?.drop();
    this.#grant();
  }

  #grant(): void {
    let least = Number.POSITIVE_INFINITY;
    let sent = 0;
    for (const branch of this.#branches) {
      sent = Math.max(sent, branch.sent);
      if (branch.live) least = Math.min(least, branch.taken);
    }
    const due = Math.min(least, sent) - this.#granted;
    if (due <= 0) return;
    this.#granted += due;
    this.#source.consumed(due);
  }
}

/** One storage's share: how many bytes it was given, and how many are on their way to it. */
class Branch implements FlowCredit {
  readonly stream: RequestStream;
  readonly #onTaken: () => void;
  live = true;
  sent = 0;
  taken = 0;

  constructor(stream: RequestStream, onTaken: () => void) {
    this.stream = stream;
    this.#onTaken = onTaken;
  }

  send(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.sent += end - start;
    if (!this.live) return;
    if (this.stream.closed) this.live = false;
    else this.stream.sendData(bytes, start, end, endStream, this);
  }

  consumed(bytes: number): void {
    this.taken += bytes;
    this.#onTaken();
  }

  drop(): void {
    this.live = false;
  }
}
