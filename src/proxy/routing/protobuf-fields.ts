/**
 * Reads the fields of an encoded protobuf message without a schema, for the few bytes that the proxy
 * looks at. Never reads outside the given range (https://protobuf.dev/programming-guides/encoding).
 */
export interface Field {
  readonly number: number;
  readonly wireType: number;
  /** Where the field begins, tag included. */
  readonly start: number;
  /** Where its content begins: behind the tag, and behind the length if there is one. */
  readonly contentStart: number;
  readonly end: number;
}

/** Fields with a length: strings, bytes, messages. */
export const lengthDelimited = 2;

/** The bytes are no protobuf message. */
export class MalformedMessageError extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'MalformedMessageError';
  }
}

/**
 * The fields of `bytes[start, end)`, in their order.
 *
 * @throws MalformedMessageError
 */
export function readFields(bytes: Uint8Array, start: number, end: number): readonly Field[] {
  const fields: Field[] = [];
  let position = start;
  while (position < end) {
    const tag = readVarint(bytes, position, end);
    const number = Math.floor(tag.value / 8);
    const wireType = tag.value % 8;
    if (number === 0 || number > maxFieldNumber)
      throw new MalformedMessageError('a bad field number');
    const { contentStart, fieldEnd } = contentOf(bytes, tag.end, end, wireType);
    fields.push({ number, wireType, start: position, contentStart, end: fieldEnd });
    position = fieldEnd;
  }
  return fields;
}

const maxFieldNumber = 2 ** 29 - 1;

function contentOf(
  bytes: Uint8Array,
  position: number,
  end: number,
  wireType: number,
): { readonly contentStart: number; readonly fieldEnd: number } {
  switch (wireType) {
    case 0:
      return { contentStart: position, fieldEnd: readVarint(bytes, position, end).end };
    case 1:
      return fixed(position, 8, end);
    case lengthDelimited: {
      const length = readVarint(bytes, position, end);
      return fixed(length.end, length.value, end);
    }
    case 5:
      return fixed(position, 4, end);
    default:
      throw new MalformedMessageError(`wire type ${wireType} is not in use`);
  }
}

function fixed(contentStart: number, length: number, end: number) {
  if (length > end - contentStart) throw new MalformedMessageError('a field runs over the end');
  return { contentStart, fieldEnd: contentStart + length };
}

/** Longest encoding of 64 bits. */
const maxVarintBytes = 10;

function readVarint(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly value: number; readonly end: number } {
  let value = 0;
  let factor = 1;
  for (let position = start; position < end && position - start < maxVarintBytes; position++) {
    const byte = bytes[position] ?? 0;
    value += (byte & 0x7f) * factor;
    factor *= 0x80;
    if (byte < 0x80) return { value, end: position + 1 };
  }
  throw new MalformedMessageError('a number runs over the end');
}

/** Bytes that {@link writeVarint} needs. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

/** Writes a number below 2^53 and returns the position behind it. */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  let rest = value;
  let next = position;
  while (rest >= 0x80) {
    bytes[next++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[next++] = rest;
  return next;
}
