import { formatTimeout, parseTimeoutMs } from '../wire/grpc-status.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import { SendQueue } from '../wire/http2/send-queue.ts';
import type { FlowCredit, Http2Stream, StreamEvents } from '../wire/http2/stream.ts';

/** What its caller needs of a call to a storage. */
export type CallStream = Pick<
  Http2Stream,
  'closed' | 'localEnded' | 'sendData' | 'consumed' | 'reset'
>;

/** Takes calls to a storage. */
export interface CallOpener {
  /**
   * Begins a call, as {@link Http2Session.request} does. It may wait for room, and end with `refused`
   * if there is none in time.
   *
   * @returns undefined if it is refused at once
   */
  request(
    fields: readonly HeaderField[],
    endStream: boolean,
    events: StreamEvents,
  ): CallStream | undefined;
}

export interface WaitingCallOptions {
  readonly fields: readonly HeaderField[];
  readonly endStream: boolean;
  readonly events: StreamEvents;
  /** The caller gives the call up while it waits. */
  onGivenUp(): void;
}

/**
 * A call for which there is no room yet. To its caller it is a stream like any other: what is sent on it
 * is kept, and `source` hears of it only when it goes on the wire, so that little is kept.
 */
export class WaitingCall implements CallStream {
  readonly #options: WaitingCallOptions;
  readonly #queue = new SendQueue();
  #stream: CallStream | undefined;
  #isOver = false;
  #localEnded: boolean;

  constructor(options: WaitingCallOptions) {
    this.#options = options;
    this.#localEnded = options.endStream;
  }

  get closed(): boolean {
    return this.#stream?.closed ?? this.#isOver;
  }

  get localEnded(): boolean {
    return this.#stream?.localEnded ?? this.#localEnded;
  }

  /** There is room: begins the call, and sends what was kept. */
  begin(session: CallOpener, waitedMs: number): void {
    const { fields, endStream, events } = this.#options;
    const stream = session.request(withTimePassed(fields, waitedMs), endStream, events);
    if (stream === undefined) {
      this.refuse('its connection takes no more calls');
      return;
    }
    this.#stream = stream;
    if (this.#localEnded && !endStream && this.#queue.head === undefined) {
      stream.sendData(noBytes, 0, 0, true, undefined);
    }
    for (let piece = this.#queue.head; piece !== undefined; piece = this.#queue.head) {
      const { bytes, start, end, source } = piece;
      const isLast = end - start === this.#queue.bytes;
      stream.sendData(bytes, start, end, this.#localEnded && isLast, source);
      this.#queue.shift(end - start);
    }
  }

  /** The call waits no longer: the storage gets nothing of it. */
  refuse(reason: string): void {
    if (this.#isOver) return;
    this.#end();
    this.#options.events.onAbort({ kind: 'refused', reason });
  }

  sendData(
    bytes: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    source: FlowCredit | undefined,
  ): void {
    if (this.#stream !== undefined) {
      this.#stream.sendData(bytes, start, end, endStream, source);
    } else if (this.#isOver || this.#localEnded) source?.consumed(end - start);
    else {
      this.#localEnded = endStream;
      if (end > start) this.#queue.push(bytes, start, end, source);
    }
  }

  consumed(bytes: number): void {
    this.#stream?.consumed(bytes);
  }

  reset(code: number): void {
    if (this.#stream !== undefined) this.#stream.reset(code);
    else if (!this.#isOver) {
      this.#end();
      this.#options.onGivenUp();
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#queue.clear();
  }
}

const noBytes = Buffer.alloc(0);

/** The storage is told what is left of the call's time now. */
function withTimePassed(fields: readonly HeaderField[], passedMs: number): readonly HeaderField[] {
  return fields.map((field) => {
    if (field.name !== 'grpc-timeout') return field;
    const timeoutMs = parseTimeoutMs(field.value);
    return timeoutMs === undefined
      ? field
      : headerField('grpc-timeout', formatTimeout(timeoutMs - passedMs));
  });
}
