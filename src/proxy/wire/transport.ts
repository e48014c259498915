/**
 * One end of a reliable, ordered byte stream: a TCP, TLS or unix socket, or a yamux stream.
 * HTTP/2 and sidechannels run over this and do not know which it is.
 *
 * Bytes are pushed, not pulled: that costs one call and no allocation a chunk. Back-pressure
 * towards the peer is `consumed`; back-pressure from the peer is `capacity` and `onDrain`.
 */
export interface Transport {
  /** Where the peer is, for logs. */
  readonly peer: string;
  /** Begins delivery. Called once; nothing is delivered before it. */
  start(events: TransportEvents): void;
  /** How many bytes {@link write} takes now. After 0, `onDrain` tells when there is room again. */
  capacity(): number;
  /**
   * Sends the first `length` bytes of `bytes`, at most {@link capacity}.
   *
   * @returns true if `bytes` may be reused at once, false if it now belongs to the transport, until
   *   `onReleased` if the transport tells that at all
   */
  write(bytes: Buffer, length: number): boolean;
  /** Tells how many delivered bytes were used up, so that the peer may send as many again. */
  consumed(length: number): void;
  /** Ends our direction after what was written. Delivery goes on. May be called more than once. */
  end(): void;
  /**
   * Drops the connection in both directions at once; `onClose` follows. What was written may still arrive, unless
   * the transport was made to prevent that.
   */
  destroy(error?: Error): void;
}

/** What a {@link Transport} reports. Every call happens on a turn of its own or inside `start`. */
export interface TransportEvents {
  /** Bytes arrived. `chunk` is valid only during the call: copy what is to be kept. */
  onData(chunk: Buffer): void;
  /** There is capacity again. */
  onDrain(): void;
  /** What `write` has kept is free again: all of it. Comes before the `onDrain` that follows. */
  onReleased?(): void;
  /** The peer will send no more. */
  onEnd(): void;
  /** Both directions are gone. Called exactly once, and last. */
  onClose(error: Error | undefined): void;
}
