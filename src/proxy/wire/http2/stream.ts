import type { HeaderField } from '../hpack/header-field.ts';

/** Takes flow-control credit back. */
export interface FlowCredit {
  /** `bytes` more were used up: the sender may send as many again. */
  consumed(bytes: number): void;
}

/** What a stream's owner is told. No call comes from inside `request` or a method of the stream. */
export interface StreamEvents {
  /**
   * At a client: the response headers, then maybe trailers; interim (1xx) responses are left out.
   * At a server: the request's trailers.
   */
  onHeaders(fields: readonly HeaderField[], endStream: boolean): void;
  /**
   * `bytes[start, end)` arrived; valid only during the call. May be empty if `endStream` is true.
   * Whoever uses the bytes up calls {@link Http2Stream.consumed}.
   */
  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  /**
   * The stream ended out of order, and not by our own {@link Http2Stream.reset}. Called once, and
   * nothing after it.
   */
  onAbort(cause: StreamAbort): void;
  /** What was queued has been sent: {@link Http2Stream.queuedBytes} is 0 again. */
  onWritable?(): void;
}

/** Why a stream ended out of order. */
export type StreamAbort =
  /** The peer has reset it, or it has broken the protocol and we had to: RFC 9113 section 7. */
  | { readonly kind: 'reset'; readonly code: number }
  /**
   * The peer has certainly not processed it: it said so (REFUSED_STREAM, or GOAWAY with a lower
   * last stream), or the request has never left this machine. It may be made again elsewhere.
   */
  | { readonly kind: 'refused'; readonly reason?: string }
  | { readonly kind: 'connectionLost'; readonly error: Error };

/** What a stream shows of the session that it belongs to. */
export interface StreamSession {
  readonly peer: string;
  readonly state: 'open' | 'draining' | 'closed';
  readonly activeStreams: number;
  goAway(code?: number): void;
  destroy(error?: Error): void;
}

/**
 * One request and its response. As gRPC has it, the response's end ends the stream: if the request
 * has not ended by then, the rest of it is given up with RST_STREAM NO_ERROR (RFC 9113 section 8.1).
 *
 * On a closed stream each method does nothing, and data that is sent is credited at once.
 */
export interface Http2Stream extends FlowCredit {
  readonly id: number;
  readonly session: StreamSession;
  /** Both directions have ended on the wire, or the stream was reset. */
  readonly closed: boolean;
  /** Our end was sent, or is queued. */
  readonly localEnded: boolean;
  /** The peer's end has arrived. */
  readonly remoteEnded: boolean;
  /** Bytes that wait for window, or for the connection. */
  readonly queuedBytes: number;
  /** Sends the head, or the trailers: these wait behind data that is queued. */
  sendHeaders(fields: readonly HeaderField[], endStream: boolean): void;
  /**
   * Sends `bytes[start, end)`. What cannot be sent now is copied and queued.
   *
   * @param source is told as bytes go on the wire, or are dropped: that is what bounds the queue.
   *   Without it the caller must look at {@link queuedBytes}. `source` must not call this stream.
   */
  sendData(
    bytes: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    source: FlowCredit | undefined,
  ): void;
  /** Lets the peer send `bytes` more. Never more than have arrived. */
  consumed(bytes: number): void;
  /**
   * Ends the stream at once: what is queued is dropped and credited, and no event follows. Only
   * a server's NO_ERROR after it has ended its response lets the response go out first.
   */
  reset(code: number): void;
}
