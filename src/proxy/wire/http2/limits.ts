/** What one HTTP/2 connection may cost us. Each bound holds for any peer, however it behaves. */
export interface Http2Limits {
  /**
   * How many bytes the peer may send on a stream before they are used up. A stream begins with
   * 64 KiB - 1, and is given more as it uses up what it has: one that nobody reads keeps little.
   */
  readonly streamWindowBytes: number;
  /**
   * How many bytes the peer may send on the connection before it hears from us. They are given back
   * as they arrive, so that a slow stream does not hold up the others: memory is bounded by the
   * streams' windows.
   */
  readonly connectionWindowBytes: number;
  /** Streams that the peer may have open. More are refused. */
  readonly maxConcurrentStreams: number;
  /** Largest header list, counted as in RFC 7541 section 4.1, and largest header block. */
  readonly maxHeaderListBytes: number;
  /** Most fields in a header list. */
  readonly maxHeaderFields: number;
  /** Most CONTINUATION frames in a header block, however short they are. */
  readonly maxContinuationFrames: number;
  /** From the first frame of a header block until its last one must be there. */
  readonly headerBlockTimeoutMs: number;
  /** Largest HPACK table, of the peer's encoder and of ours. */
  readonly maxHeaderTableBytes: number;
  /** Most entries in a SETTINGS frame. */
  readonly maxSettingsEntries: number;
  /**
   * Frames that cost us work and carry nothing: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, unknown
   * ones, empty DATA. That many may come at once, so many more a second, and some for each frame
   * with payload.
   */
  readonly controlFrames: RateLimit;
  /**
   * Streams that end in an error of the peer's making, or that it resets within
   * `prematureResetMs` of opening them ("rapid reset"). A stream that ends in order makes up for one.
   */
  readonly resets: RateLimit;
  readonly prematureResetMs: number;
  /**
   * Pings of a client that follow each other faster than this, and with nothing sent to it in
   * between. More than so many in a row end the connection, as they do with servers in Go.
   */
  readonly minPingIntervalMs: number;
  readonly maxPingStrikes: number;
  /** Frames that wait because the peer does not read; beyond that, the connection ends. */
  readonly maxOutputBytes: number;
  /**
   * Data that waits for windows, of all streams. Beyond that, streams are reset with
   * ENHANCE_YOUR_CALM: those of which nothing could be sent for longest.
   */
  readonly maxQueuedBytes: number;
  /** Until the peer's preface and SETTINGS must be there. */
  readonly handshakeTimeoutMs: number;
  /** After a graceful GOAWAY, how long streams that the peer opened meanwhile are awaited at most. */
  readonly goAwayGraceMs: number;
  /** After the last frame, how long the peer is given to close the connection. */
  readonly lingerMs: number;
}

/** A budget that is used up by events and refilled by time. */
export interface RateLimit {
  readonly burst: number;
  readonly perSecond: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;

export const defaultLimits: Http2Limits = {
  streamWindowBytes: 512 * KiB,
  connectionWindowBytes: 64 * MiB,
  maxConcurrentStreams: 2000,
  maxHeaderListBytes: 1 * MiB,
  maxHeaderFields: 2000,
  maxContinuationFrames: 128,
  headerBlockTimeoutMs: 10_000,
  maxHeaderTableBytes: 4 * KiB,
  maxSettingsEntries: 64,
  controlFrames: { burst: 5000, perSecond: 1000 },
  resets: { burst: 1000, perSecond: 200 },
  prematureResetMs: 1000,
  minPingIntervalMs: 10_000,
  maxPingStrikes: 2,
  maxOutputBytes: 8 * MiB,
  maxQueuedBytes: 64 * MiB,
  handshakeTimeoutMs: 10_000,
  goAwayGraceMs: 1000,
  lingerMs: 1000,
};
