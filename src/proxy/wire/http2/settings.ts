import { ConnectionError, errorCodes } from './errors.ts';
import { uint16, uint32 } from './frame-reader.ts';
import { defaultMaxFrameBytes, initialWindowBytes, maxWindowBytes } from './frames.ts';
import type { Http2Limits } from './limits.ts';

/** RFC 9113, section 6.5.2. */
const settingIds = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
} as const;

const largestMaxFrameSize = 0xff_ffff;
const settingBytes = 6;

export type Role = 'client' | 'server';

/** What we announce. */
export function localSettings(role: Role, limits: Http2Limits): [id: number, value: number][] {
  return [
    [settingIds.headerTableSize, limits.maxHeaderTableBytes],
    role === 'client'
      ? [settingIds.enablePush, 0]
      : [settingIds.maxConcurrentStreams, limits.maxConcurrentStreams],
    [settingIds.initialWindowSize, Math.min(initialWindowBytes, limits.streamWindowBytes)],
    [settingIds.maxFrameSize, defaultMaxFrameBytes],
    [settingIds.maxHeaderListSize, limits.maxHeaderListBytes],
  ];
}

/** What a SETTINGS frame changes. */
export interface PeerSettings {
  headerTableSize?: number;
  maxConcurrentStreams?: number;
  initialWindowSize?: number;
  maxFrameSize?: number;
}

/**
 * Reads the payload `bytes[start, end)` of a SETTINGS frame. Unknown settings, and those that
 * concern nothing we do, are left out; of repeated ones the last counts.
 *
 * @throws ConnectionError if the length or a value is not allowed
 */
export function readSettings(
  bytes: Buffer,
  start: number,
  end: number,
  options: { readonly from: Role; readonly maxEntries: number },
): PeerSettings {
  if ((end - start) % settingBytes !== 0) {
    throw new ConnectionError(errorCodes.frameSizeError, 'a SETTINGS frame is cut off');
  }
  if ((end - start) / settingBytes > options.maxEntries) {
    throw new ConnectionError(errorCodes.enhanceYourCalm, 'a SETTINGS frame has many entries');
  }
  const settings: PeerSettings = {};
  for (let position = start; position < end; position += settingBytes) {
    readSetting(settings, uint16(bytes, position), uint32(bytes, position + 2), options.from);
  }
  return settings;
}

function readSetting(settings: PeerSettings, id: number, value: number, from: Role): void {
  switch (id) {
    case settingIds.headerTableSize:
      settings.headerTableSize = value;
      break;
    case settingIds.enablePush:
      // A server never announces that it takes pushes.
      check(value <= (from === 'client' ? 1 : 0), errorCodes.protocolError, 'ENABLE_PUSH', value);
      break;
    case settingIds.maxConcurrentStreams:
      settings.maxConcurrentStreams = value;
      break;
    case settingIds.initialWindowSize:
      check(value <= maxWindowBytes, errorCodes.flowControlError, 'INITIAL_WINDOW_SIZE', value);
      settings.initialWindowSize = value;
      break;
    case settingIds.maxFrameSize:
      check(
        value >= defaultMaxFrameBytes && value <= largestMaxFrameSize,
        errorCodes.protocolError,
        'MAX_FRAME_SIZE',
        value,
      );
      settings.maxFrameSize = value;
      break;
    default:
      break;
  }
}

function check(isAllowed: boolean, code: number, name: string, value: number): void {
  if (!isAllowed) throw new ConnectionError(code, `SETTINGS_${name} is ${value}`);
}
