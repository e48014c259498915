/**
 * A header field. A connection's decoder returns the same object each time the peer refers to the
 * same entry of its dynamic table, and an encoder remembers in the object where it has put it: a
 * field that is passed on from one connection to another costs two integer operations.
 */
export class HeaderField {
  /** Lower case. Characters up to U+00FF, one a byte on the wire. */
  readonly name: string;
  /** Characters up to U+00FF, one a byte on the wire. Further ones are cut to their low byte. */
  readonly value: string;
  /** Size in a header list and in a dynamic table, RFC 7541 section 4.1. */
  readonly size: number;
  /** The sender does not want the value kept in any table: secrets. RFC 7541 section 6.2.3. */
  readonly neverIndexed: boolean;

  /** Written by `encoder.ts` only: index in the static table, 0 if none, -1 if not looked up. */
  staticIndex = -1;
  /** Written by `encoder.ts` only: which encoder has it in its dynamic table, maybe not any more. */
  encodedBy: object | undefined = undefined;
  /** Written by `encoder.ts` only: under which insertion number. */
  encodedAs = -1;
  /** Written by `encoder.ts` only: name and value as one key. */
  tableKey: string | undefined = undefined;
  /** Written by `header-rules.ts` only: what the field is in a message, 0 if not looked at yet. */
  messageRole = 0;

  constructor(name: string, value: string, neverIndexed: boolean) {
    this.name = name;
    this.value = value;
    this.size = name.length + value.length + entryOverheadBytes;
    this.neverIndexed = neverIndexed;
  }
}

/** What an entry counts beyond its octets, RFC 7541 section 4.1. */
const entryOverheadBytes = 32;

/**
 * A field of our own making. Keep and reuse it if the same will be sent again.
 *
 * @param name in lower case
 * @param neverIndexed for a secret: no hop keeps the value in a compression table. Default false
 */
export function headerField(name: string, value: string, neverIndexed = false): HeaderField {
  return new HeaderField(name, value, neverIndexed);
}
