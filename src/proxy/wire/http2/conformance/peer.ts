import { statusCodes } from '../../../../rpc/status.ts';
import { errorCodes } from '../errors.ts';

/** The path whose calls send every message back, and end as their client ends them. */
export const echoPath = '/test.Peer/Echo';
/** The path whose calls send every message back, and never end. */
export const holdPath = '/test.Peer/Hold';
/** The path whose calls are broken off with CANCEL at their first message. */
export const resetPath = '/test.Peer/Reset';
/** A request header that says how long the trailer {@link largeTrailer} shall be. */
export const wantedHeader = 'x-wanted-bytes';
export const largeTrailer = 'x-large';
/** The trailer that tells how many bytes {@link blobHeader} had. */
export const blobTrailer = 'x-blob-bytes';
export const blobHeader = 'x-blob';

/** What the echo's trailers are for a request with these headers, besides `grpc-status`. */
export function echoTrailers(header: (name: string) => string | undefined): {
  readonly [name: string]: string;
} {
  const wanted = Number(header(wantedHeader) ?? 0);
  return {
    [blobTrailer]: String(header(blobHeader)?.length ?? 0),
    ...(wanted > 0 ? { [largeTrailer]: 't'.repeat(wanted) } : {}),
  };
}

/** One end of HTTP/2 with gRPC's framing, whichever library it is made of. */
export interface PeerOptions {
  /** How many bytes the other end may send on a stream before it hears from us. */
  readonly windowBytes: number;
  /** The largest header list that is taken. */
  readonly maxHeaderListBytes: number;
}

export interface PeerServer {
  readonly port: number;
  /** Calls whose client gave up. */
  readonly cancelled: number;
  /** Connections that are open; undefined if the library does not tell. */
  readonly connections: number | undefined;
  /** Lets calls finish, and then closes the connections. */
  goAway(): void;
  /** Pings the first connection; undefined if the library cannot. */
  readonly ping: (() => Promise<unknown>) | undefined;
  stop(): Promise<void>;
}

export interface PeerClient {
  call(path: string, metadata?: Readonly<Record<string, string>>): PeerCall;
  readonly connections: number | undefined;
  goAway(): void;
  readonly ping: (() => Promise<unknown>) | undefined;
  stop(): Promise<void>;
}

export interface PeerCall {
  send(message: Buffer): void;
  end(): void;
  cancel(): void;
  /** What has arrived so far. */
  readonly messages: readonly Buffer[];
  readonly outcome: Promise<CallOutcome>;
}

export interface CallOutcome {
  /** The gRPC status; of a call that was reset, that which stands for the error code. */
  readonly status: number;
  readonly trailers: Readonly<Record<string, string>>;
}

/** The status of a call that was reset: grpc repository, `doc/PROTOCOL-HTTP2.md`, "Errors". */
export function statusOfReset(code: number): number {
  switch (code) {
    case errorCodes.cancel:
      return statusCodes.CANCELLED;
    case errorCodes.refusedStream:
      return statusCodes.UNAVAILABLE;
    case errorCodes.enhanceYourCalm:
      return statusCodes.RESOURCE_EXHAUSTED;
    default:
      return statusCodes.INTERNAL;
  }
}
