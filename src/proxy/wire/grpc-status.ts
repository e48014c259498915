import { headerField, type HeaderField } from './hpack/header-field.ts';

/** How a call ended. */
export interface GrpcStatus {
  readonly code: number;
  /** For people; any text. */
  readonly message: string;
}

/** What a client makes of an answer without a status. */
const unknownCode = 2;

/** The code in trailers, or in the headers of an answer that is only a status. */
export function readStatusCode(fields: readonly HeaderField[]): number {
  let code = unknownCode;
  for (const { name, value } of fields) if (name === 'grpc-status') code = parseCode(value);
  return code;
}

/** The status in trailers, or in the headers of an answer that is only a status. */
export function readStatus(fields: readonly HeaderField[]): GrpcStatus {
  let message = '';
  for (const { name, value } of fields) {
    if (name === 'grpc-message') message = decodeMessage(value);
  }
  return { code: readStatusCode(fields), message };
}

function parseCode(value: string): number {
  if (value === '0') return 0;
  return /^\d{1,3}$/.test(value) ? Number(value) : unknownCode;
}

/** The trailers for a status. */
export function statusTrailers({ code, message }: GrpcStatus): readonly HeaderField[] {
  const status = headerField('grpc-status', String(code));
  if (message === '') return [status];
  return [status, headerField('grpc-message', encodeMessageText(message))];
}

/** Percent-encodes UTF-8, all but printable ASCII (`doc/PROTOCOL-HTTP2.md`, "Status-Message"). */
function encodeMessageText(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== percent;
    encoded += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

const percent = 0x25;

/** Decodes as far as possible: a text that breaks the rule is still better than none. */
function decodeMessage(value: string): string {
  const bytes = value.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

const unitsMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** Reads `grpc-timeout`: at most eight digits and a unit. Undefined for what is not one. */
export function parseTimeoutMs(value: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(value);
  const unit = unitsMs[match?.[2] ?? ''];
  return unit === undefined ? undefined : Number(match?.[1]) * unit;
}

/** Most digits that `grpc-timeout` may have. */
const maxTimeout = 99_999_999;

/** `grpc-timeout` for at least `timeoutMs`, which is rounded up. */
export function formatTimeout(timeoutMs: number): string {
  const rounded = Math.max(1, Math.ceil(timeoutMs));
  return rounded <= maxTimeout
    ? `${rounded}m`
    : `${Math.min(maxTimeout, Math.ceil(rounded / 1000))}S`;
}
