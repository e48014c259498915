import { HeaderField } from './header-field.ts';

const entries: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

/** How many entries the static table has; the dynamic table's indices begin after it. */
export const staticTableLength = entries.length;

/** RFC 7541 appendix A. Index 0 is not used, so that the indices are the RFC's. */
export const staticTable: readonly HeaderField[] = [['', ''] as const, ...entries].map(
  ([name, value], index) => {
    const field = new HeaderField(name, value, false);
    field.staticIndex = index;
    return field;
  },
);

/** The lowest index under which a name stands. */
const nameIndices = new Map<string, number>();
/** The index of each pair. */
const pairIndices = new Map<string, number>();
for (const [offset, [name, value]] of entries.entries()) {
  if (!nameIndices.has(name)) nameIndices.set(name, offset + 1);
  pairIndices.set(pairKey(name, value), offset + 1);
}

/** Index of an entry with this name, or 0. */
export function staticNameIndex(name: string): number {
  return nameIndices.get(name) ?? 0;
}

/** Index of the entry with this name and value, or 0. */
export function staticPairIndex(name: string, value: string): number {
  // Most names are not in the table: that is told without making a key.
  return nameIndices.has(name) ? (pairIndices.get(pairKey(name, value)) ?? 0) : 0;
}

function pairKey(name: string, value: string): string {
  return `${name}\0${value}`;
}
