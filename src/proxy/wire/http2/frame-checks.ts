import { ConnectionError, errorCodes } from './errors.ts';
import { uint32 } from './frame-reader.ts';
import { frameFlags, maxStreamId } from './frames.ts';

/** The peer has done what the protocol forbids. */
export function protocolError(message: string): ConnectionError {
  return new ConnectionError(errorCodes.protocolError, message);
}

/** A frame's payload is too short or too long. */
export function frameSizeError(frame: string): ConnectionError {
  return new ConnectionError(errorCodes.frameSizeError, `${frame} has a wrong length`);
}

/** How many octets of the payload are padding, its length octet included. */
export function paddingOf(bytes: Buffer, start: number, end: number, flags: number): number {
  if ((flags & frameFlags.padded) === 0) return 0;
  if (start === end) throw frameSizeError('a padded frame');
  const paddingBytes = 1 + (bytes[start] ?? 0);
  if (paddingBytes > end - start) throw protocolError('padding is longer than its frame');
  return paddingBytes;
}

/** RFC 7540 section 5.3.1: a stream cannot depend on itself. */
export function checkDependency(bytes: Buffer, position: number, streamId: number): void {
  if ((uint32(bytes, position) & maxStreamId) === streamId) {
    throw protocolError('a stream depends on itself');
  }
}
