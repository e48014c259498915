import type { Clock, Timer } from '../../base/clock.ts';
import { statusCodes } from '../../rpc/status.ts';
import { readStatus, statusTrailers, type GrpcStatus } from '../wire/grpc-status.ts';
import { GrowingBuffer } from '../wire/growing-buffer.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import type { FlowCredit, Http2Stream, StreamAbort, StreamEvents } from '../wire/http2/stream.ts';
import type { YamuxSession } from '../wire/yamux/session.ts';
import type { CallHead, HttpRefusal } from './call-head.ts';
import { CallTrace } from './call-trace.ts';
import { MessageBoundary } from './message-boundary.ts';

/** Takes over a call once its first message is there. */
export interface RequestSink {
  /** Bytes after the first message, as they came: message prefixes included. */
  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  /** The client, the call's time limit or the end of the proxy has ended the call. */
  onAbort(cause: CallAbort): void;
  /**
   * The call has had its time: end it, as soon as what was decided has been carried out, with a status that
   * tells whether to make it again.
   *
   * @param reason what cannot wait any longer
   */
  onCut(reason: string): void;
}

export type CallAbort =
  StreamAbort | { readonly kind: 'deadlineExceeded' } | { readonly kind: 'cut' };

/** What a call is told whose time is up. The words of a Go server, which is what clients know. */
export const timeUpStatus: GrpcStatus = {
  code: statusCodes.DEADLINE_EXCEEDED,
  message: 'context deadline exceeded',
};

/** What a call is told that was cut. */
export function cutStatus(reason: string): GrpcStatus {
  const message = `${reason}, and the call has outlived the time for that`;
  return { code: statusCodes.UNAVAILABLE, message };
}

export interface ServerCallOptions {
  readonly stream: Http2Stream;
  readonly head: CallHead;
  /** The client's yamux session, if its connection has one: the way to its sidechannels. */
  readonly mux: YamuxSession | undefined;
  readonly clock: Clock;
  /** For limits of a second and more. Default: the clock's own timers. */
  readonly coarseTimers?: Pick<Clock, 'after'>;
  /** Largest first message. grpc-go's limit for any message. Default 4 MiB. */
  readonly maxFirstMessageBytes?: number | undefined;
  /** From the call's beginning until its first message is there. Default 30 s. */
  readonly firstMessageLimitMs?: number | undefined;
  /** The first message has arrived complete. */
  onFirstMessage(call: ServerCall): void;
  /** The call is over, with what the client was told. */
  onEnded(call: ServerCall, code: number): void;
}

const prefixBytes = 5;
const defaultMaxFirstMessageBytes = 4 * 1024 * 1024;
const defaultFirstMessageLimitMs = 30_000;
/** RFC 9113, section 7. gRPC's clients take them for UNAVAILABLE, CANCELLED and INTERNAL. */
const refusedStreamCode = 0x7;
const cancelCode = 0x8;
const internalErrorCode = 0x2;
const contentTypeField = headerField('content-type', 'application/grpc');
const okHeaders = [headerField(':status', '200'), contentTypeField];

/**
 * A client's call: collects its first message, which tells where it goes, and hands everything after
 * that to a {@link RequestSink} as it comes. Until there is one, what arrives is kept, bounded by the
 * stream's window.
 */
export class ServerCall implements StreamEvents {
  readonly head: CallHead;
  readonly mux: YamuxSession | undefined;
  readonly startedMs: number;
  readonly trace = new CallTrace();
  readonly #options: ServerCallOptions;
  readonly #stream: Http2Stream;
  readonly #deadline: Timer | undefined;
  readonly #firstMessageTimer: Timer;
  #collected = new GrowingBuffer();
  /** Bytes of {@link #collected} for which the client already has its window back. */
  #credited = 0;
  #firstMessage: Buffer | undefined;
  #requestEnded = false;
  /** What the sink has got, while it is still to be kept. */
  #replay: GrowingBuffer | undefined;
  #replayBytes = 0;
  #sink: RequestSink | undefined;
  #abort: CallAbort | undefined;
  #ended = false;
  #sentHeaders = false;
  #receivedBytes = 0;
  #sentBytes = 0;
  readonly #answer = new MessageBoundary();

  constructor(options: ServerCallOptions) {
    this.#options = options;
    this.#stream = options.stream;
    this.head = options.head;
    this.mux = options.mux;
    this.startedMs = options.clock.monotonicMs();
    const { firstMessageLimitMs = defaultFirstMessageLimitMs } = options;
    this.#firstMessageTimer = this.#after(firstMessageLimitMs, () => {
      const message = `the first message was not complete after ${firstMessageLimitMs / 1000} s`;
      this.fail({ code: statusCodes.DEADLINE_EXCEEDED, message });
    });
    const { timeoutMs } = options.head;
    if (timeoutMs !== undefined) {
      this.#deadline = this.#after(timeoutMs, () => this.#onDeadline());
    }
  }

  /** The first message, without its prefix. Only after `onFirstMessage`. */
  get firstMessage(): Buffer {
    if (this.#firstMessage === undefined) throw new Error('the first message is not there yet');
    return this.#firstMessage;
  }

  /** Whether the first message was the whole request. */
  get isWhole(): boolean {
    return this.#requestEnded && this.#collected.length === 0;
  }

  /** Milliseconds until the call's time is up, if it has a limit. */
  get remainingMs(): number | undefined {
    const { timeoutMs } = this.head;
    if (timeoutMs === undefined) return undefined;
    return timeoutMs - (this.#options.clock.monotonicMs() - this.startedMs);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes of the request's messages that have arrived, prefixes included. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Bytes of the answer's messages, prefixes included. What a sidechannel carries is not in them. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Gives the client window back for bytes that a sink has used. */
  get credit(): FlowCredit {
    return this.#stream;
  }

  /**
   * Delivers what follows the first message to `sink`: first what was kept, maybe at once.
   *
   * @param replayBytes up to so much of it is kept, for {@link rewind}
   */
  attach(sink: RequestSink, replayBytes = 0): void {
    this.#sink = sink;
    this.#replayBytes = replayBytes;
    this.#replay = replayBytes > 0 ? new GrowingBuffer() : undefined;
    if (this.#abort !== undefined) {
      sink.onAbort(this.#abort);
      return;
    }
    const kept = this.#collected.bytes;
    this.#collected = new GrowingBuffer();
    if (kept.length > 0 || this.#requestEnded) {
      this.#keep(kept, 0, kept.length);
      sink.onData(kept, 0, kept.length, this.#requestEnded);
    }
  }

  /**
   * Takes the call from its sink, so that another one can be attached and gets the same as this one.
   *
   * @returns false if that cannot be: more has come than was to be kept, or the call has ended
   */
  rewind(): boolean {
    if (this.#replay === undefined || this.#ended) return false;
    this.#sink = undefined;
    this.#collected = this.#replay;
    this.#replay = undefined;
    return true;
  }

  sendHeaders(fields: readonly HeaderField[]): void {
    if (this.#ended) return;
    this.#sentHeaders = true;
    this.#stream.sendHeaders(fields, false);
  }

  sendData(bytes: Buffer, start: number, end: number, source: FlowCredit | undefined): void {
    if (this.#ended) {
      source?.consumed(end - start);
      return;
    }
    this.#sentBytes += end - start;
    this.#answer.pass(bytes, start, end);
    this.#stream.sendData(bytes, start, end, false, source);
  }

  /** Ends the call with a storage's own trailers. */
  sendTrailers(fields: readonly HeaderField[], code: number): void {
    if (this.#ended) return;
    if (code !== statusCodes.OK) this.trace.failure ??= readStatus(fields).message;
    const withHead =
      this.#sentHeaders || hasStatusField(fields) ? fields : [...okHeaders, ...fields];
    this.#stream.sendHeaders(withHead, true);
    this.#finish(code);
  }

  /**
   * Ends the call with a status of the proxy's own. In the middle of a message a client would take it
   * for corruption, so the stream is reset there, with the code that comes closest.
   *
   * @param mayRepeat whether the call may be made again whatever became of it. Clients take a reset
   *   that says UNAVAILABLE for a call that was never processed, and may repeat it unasked.
   */
  fail(status: GrpcStatus, mayRepeat = false): void {
    if (this.#ended) return;
    this.trace.isOwnStatus = true;
    this.trace.failure = status.message;
    if (this.#answer.atBoundary) this.sendTrailers(statusTrailers(status), status.code);
    else this.#reset(status.code, mayRepeat);
  }

  /** Ends the call with a status of HTTP besides that of gRPC. */
  refuse({ httpStatus, status }: HttpRefusal): void {
    this.trace.isOwnStatus = true;
    const head = [headerField(':status', httpStatus), contentTypeField];
    this.sendTrailers([...head, ...statusTrailers(status)], status.code);
  }

  /** Answers with one message, prefix included. */
  reply(message: Buffer): void {
    this.sendHeaders(okHeaders);
    this.sendData(message, 0, message.length, undefined);
    this.succeed();
  }

  /** Sends one of many messages, prefix included. Resolves when the client has room for more. */
  async sendMessage(message: Buffer): Promise<void> {
    if (!this.#sentHeaders) this.sendHeaders(okHeaders);
    await new Promise<void>((resolve) => {
      let left = message.length;
      this.sendData(message, 0, message.length, {
        consumed(bytes) {
          left -= bytes;
          if (left === 0) resolve();
        },
      });
    });
  }

  succeed(): void {
    if (!this.#sentHeaders) this.sendHeaders(okHeaders);
    this.sendTrailers(statusTrailers({ code: statusCodes.OK, message: '' }), statusCodes.OK);
  }

  /** The call has had its time, as `reason` says: whoever serves it ends it. */
  cut(reason: string): void {
    if (this.#ended) return;
    if (this.#sink !== undefined) this.#sink.onCut(reason);
    else {
      const status = cutStatus(reason);
      this.fail(status);
      this.#endWith({ kind: 'cut' }, status.code);
    }
  }

  onHeaders(): void {
    // Requests have no trailers in gRPC; what comes is ignored.
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#receivedBytes += end - start;
    if (this.#ended) {
      this.#stream.consumed(end - start);
      return;
    }
    if (endStream) this.#requestEnded = true;
    if (this.#sink !== undefined) {
      this.#keep(bytes, start, end);
      this.#sink.onData(bytes, start, end, endStream);
      return;
    }
    this.#collected.append(bytes, start, end);
    if (this.#firstMessage === undefined) this.#collectFirstMessage();
  }

  onAbort(cause: StreamAbort): void {
    this.#endWith(cause, statusCodes.CANCELLED);
  }

  #after(limitMs: number, callback: () => void): Timer {
    const { clock, coarseTimers = clock } = this.#options;
    return (limitMs < 1000 ? clock : coarseTimers).after(limitMs, callback);
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    if (this.#replay === undefined) return;
    if (this.#replay.length + end - start > this.#replayBytes) this.#replay = undefined;
    else this.#replay.append(bytes, start, end);
  }

  #collectFirstMessage(): void {
    const { maxFirstMessageBytes = defaultMaxFirstMessageBytes, onFirstMessage } = this.#options;
    const collected = this.#collected.bytes;
    if (collected.length >= prefixBytes) {
      if (collected[0] !== 0) {
        this.fail({
          code: statusCodes.INTERNAL,
          message: 'grpc: compressed flag set with identity or empty encoding',
        });
        return;
      }
      const length = collected.readUInt32BE(1);
      if (length > maxFirstMessageBytes) {
        this.fail({
          code: statusCodes.RESOURCE_EXHAUSTED,
          message: `grpc: received message larger than max (${length} vs. ${maxFirstMessageBytes})`,
        });
        return;
      }
      const end = prefixBytes + length;
      if (collected.length >= end) {
        this.#firstMessage = collected.subarray(prefixBytes, end);
        this.#firstMessageTimer.cancel();
        this.#collected.dropFirst(end);
        this.#stream.consumed(Math.max(0, end - this.#credited));
        onFirstMessage(this);
        return;
      }
    }
    if (this.#requestEnded) {
      this.fail(
        collected.length === 0
          ? { code: statusCodes.INTERNAL, message: 'the request holds no message' }
          : { code: statusCodes.INTERNAL, message: 'the request ends inside its first message' },
      );
      return;
    }
    // The message is longer than what came: the client needs its window to send the rest.
    this.#stream.consumed(collected.length - this.#credited);
    this.#credited = collected.length;
  }

  #onDeadline(): void {
    if (this.#ended) return;
    this.fail(timeUpStatus);
    this.#endWith({ kind: 'deadlineExceeded' }, timeUpStatus.code);
  }

  #endWith(cause: CallAbort, code: number): void {
    if (this.#abort !== undefined) return;
    this.#abort = cause;
    this.#finish(code);
    this.#sink?.onAbort(cause);
  }

  #reset(status: number, mayRepeat: boolean): void {
    if (this.#ended) return;
    this.#stream.reset(resetCodeOf(status, mayRepeat));
    this.#finish(status);
  }

  #finish(code: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deadline?.cancel();
    this.#firstMessageTimer.cancel();
    this.#collected = new GrowingBuffer();
    this.#replay = undefined;
    this.#options.onEnded(this, code);
  }
}

function resetCodeOf(status: number, mayRepeat: boolean): number {
  switch (status) {
    case statusCodes.UNAVAILABLE:
      return mayRepeat ? refusedStreamCode : internalErrorCode;
    case statusCodes.CANCELLED:
    case statusCodes.DEADLINE_EXCEEDED:
      return cancelCode;
    default:
      return internalErrorCode;
  }
}

/** Trailers-only answers of a storage begin with `:status`. */
function hasStatusField(fields: readonly HeaderField[]): boolean {
  return fields[0]?.name === ':status';
}
