import type { HeaderField } from '../hpack/header-field.ts';

/** What a field is in a message: one bit each. 0 stands for "not looked at yet". */
const roles = {
  malformed: 0x01,
  regular: 0x02,
  method: 0x04,
  scheme: 0x08,
  path: 0x10,
  authority: 0x20,
  status: 0x40,
  contentLength: 0x80,
} as const;

const pseudoRoles: ReadonlyMap<string, number> = new Map([
  [':method', roles.method],
  [':scheme', roles.scheme],
  [':path', roles.path],
  [':authority', roles.authority],
  [':status', roles.status],
]);

const notInRequests = roles.malformed | roles.status;
const required = roles.method | roles.scheme | roles.path;

/** What can be told of a request by its headers. */
export const requestContent = {
  /** They are malformed. */
  malformed: -2,
  /** They do not say how much content follows. */
  unknown: -1,
} as const;

/**
 * Checks a request's headers: RFC 9113 sections 8.1.1, 8.2 and 8.3.1.
 *
 * @returns how many octets of content they announce, or one of {@link requestContent}
 */
export function checkRequest(fields: readonly HeaderField[]): number {
  let seen = 0;
  let length: number = requestContent.unknown;
  for (const field of fields) {
    const role = roleOf(field);
    if (role === roles.regular) {
      seen |= roles.regular;
    } else if (role === roles.contentLength) {
      seen |= roles.regular;
      const value = contentLength(field.value);
      if (length !== requestContent.unknown && length !== value) return requestContent.malformed;
      length = value;
    } else {
      // A pseudo-header field stands once, and before all others.
      const isMisplaced = (seen & (role | roles.regular)) !== 0;
      if (isMisplaced || (role & notInRequests) !== 0) return requestContent.malformed;
      seen |= role;
    }
  }
  return (seen & required) === required ? length : requestContent.malformed;
}

function contentLength(value: string): number {
  return /^\d{1,15}$/.test(value) ? Number(value) : requestContent.malformed;
}

/** What kind of response these headers begin: RFC 9113 section 8.3.2. */
export function responseKind(fields: readonly HeaderField[]): 'malformed' | 'interim' | 'final' {
  const status = fields[0];
  if (status === undefined || roleOf(status) !== roles.status) return 'malformed';
  for (let i = 1; i < fields.length; i++) {
    const field = fields[i];
    if (field !== undefined && !isRegular(field)) return 'malformed';
  }
  // 101 belongs to HTTP/1.1 only, RFC 9113 section 8.6.
  if (status.value === '101') return 'malformed';
  return status.value.startsWith('1') ? 'interim' : 'final';
}

/** Whether these can be trailers: RFC 9113 section 8.1. */
export function areTrailers(fields: readonly HeaderField[]): boolean {
  return fields.every(isRegular);
}

function isRegular(field: HeaderField): boolean {
  return (roleOf(field) & (roles.regular | roles.contentLength)) !== 0;
}

/** RFC 9113 section 8.2.1: visible ASCII without capital letters and colons. */
const fieldName = /^[!-9;-@[-~]+$/;
/**
 * RFC 9113 section 8.2.1. Spaces at the ends are let through, although it forbids them: gRPC allows
 * them, and clients that talk to Gitaly must be able to talk to us.
 */
// oxlint-disable-next-line no-control-regex
const notInValues = /[\0\n\r]/;

/** Kept in the field: most fields come out of a table again and again. */
function roleOf(field: HeaderField): number {
  if (field.messageRole === 0) field.messageRole = findRole(field.name, field.value);
  return field.messageRole;
}

function findRole(name: string, value: string): number {
  if (notInValues.test(value)) return roles.malformed;
  if (name.startsWith(':')) return findPseudoRole(name, value);
  if (!fieldName.test(name)) return roles.malformed;
  switch (name) {
    case 'content-length':
      return roles.contentLength;
    // Fields of one HTTP/1.1 connection, RFC 9113 section 8.2.2.
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'upgrade':
      return roles.malformed;
    case 'te':
      return value === 'trailers' ? roles.regular : roles.malformed;
    default:
      return roles.regular;
  }
}

function findPseudoRole(name: string, value: string): number {
  const role = pseudoRoles.get(name) ?? roles.malformed;
  if (role === roles.status) return /^[1-9]\d\d$/.test(value) ? role : roles.malformed;
  const mayBeEmpty = role === roles.authority;
  return value === '' && !mayBeEmpty ? roles.malformed : role;
}
