import type { Duplex } from 'node:stream';
import type { GrpcClient } from './client.ts';

/** The connection on which a call arrived. */
export interface Connection {
  /** Address of the peer, for logs. */
  readonly peer: string;
  /** The way back to the caller; undefined on a connection that is plain HTTP/2. */
  readonly backchannel: Backchannel | undefined;
}

/** What a multiplexed connection lets the server do: call the caller, and open raw streams to it. */
export interface Backchannel {
  /** gRPC towards the caller, on one stream that is opened at the first call. */
  client(): GrpcClient;
  /** A new stream of bytes to the caller. */
  openStream(): Duplex;
}
