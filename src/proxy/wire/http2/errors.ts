import { HpackError } from '../hpack/errors.ts';

/** RFC 9113, section 7. */
export const errorCodes = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

/** The peer has broken the protocol or a limit: the connection ends. RFC 9113, section 5.4.1. */
export class ConnectionError extends Error {
  /** One of {@link errorCodes}; the peer is told it in a GOAWAY frame. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'ConnectionError';
    this.code = code;
  }
}

/** What ends the connection when `thrown` was thrown while the peer's bytes were read. */
export function asConnectionError(thrown: unknown): ConnectionError {
  if (thrown instanceof ConnectionError) return thrown;
  if (thrown instanceof HpackError) {
    return new ConnectionError(errorCodes.compressionError, thrown.message);
  }
  const error = new ConnectionError(errorCodes.internalError, 'internal error');
  error.cause = thrown;
  return error;
}
