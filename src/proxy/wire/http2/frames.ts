/** RFC 9113, section 6. */
export const frameTypes = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goAway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

/** Their meaning depends on the frame's type. */
export const frameFlags = {
  ack: 0x1,
  endStream: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

/** Length (3 octets), type, flags, stream identifier (4 octets). */
export const frameHeaderBytes = 9;

/** The largest payload that each endpoint must take, and that we take. RFC 9113, section 4.2. */
export const defaultMaxFrameBytes = 16_384;

/** Largest value of a flow-control window, RFC 9113 section 6.9.1. */
export const maxWindowBytes = 0x7fff_ffff;

/** Largest stream identifier. */
export const maxStreamId = 0x7fff_ffff;

/** Flow-control windows before any SETTINGS or WINDOW_UPDATE, RFC 9113 section 6.9.2. */
export const initialWindowBytes = 65_535;

/** What a client sends first, RFC 9113 section 3.4. */
export const clientPreface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
