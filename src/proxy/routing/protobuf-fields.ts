/** Fields with a length: strings, bytes, messages. */
export const lengthDelimited = 2;

const maxFieldNumber = 2 ** 29 - 1;
/** Longest encoding of 64 bits. */
export const maxVarintBytes = 10;

/** The bytes are no protobuf message. */
export class MalformedMessageError extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'MalformedMessageError';
  }
}

/**
 * Walks over the fields of an encoded protobuf message without a schema, for the few bytes that the
 * proxy looks at. It allocates nothing a field, because requests may have 100000 of them, and never
 * reads outside the given range (https://protobuf.dev/programming-guides/encoding). Groups, which
 * nothing of Gitaly's has, are refused.
 */
export class FieldCursor {
  /** The field's number, after {@link next} said that there is one. */
  number = 0;
  wireType = 0;
  /** Where the field begins, tag included. */
  start = 0;
  /** Where its tag ends. */
  tagEnd = 0;
  /** Where its content begins: behind the tag, and behind the length if there is one. */
  contentStart = 0;
  /** Where it ends. */
  end: number;
  readonly #bytes: Uint8Array;
  readonly #limit: number;
  /** Where the last varint ended. */
  #varintEnd = 0;

  /** Walks over `bytes[start, limit)`. */
  constructor(bytes: Uint8Array, start: number, limit: number) {
    this.#bytes = bytes;
    this.#limit = limit;
    this.end = start;
  }

  /**
   * Goes to the next field.
   *
   * @returns false at the end of the message
   * @throws MalformedMessageError
   */
  next(): boolean {
    if (this.end >= this.#limit) return false;
    this.start = this.end;
    const tag = this.#readVarint(this.start);
    this.tagEnd = this.#varintEnd;
    this.number = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.number === 0 || this.number > maxFieldNumber) {
      throw new MalformedMessageError('a bad field number');
    }
    this.#findEnd();
    return true;
  }

  #findEnd(): void {
    switch (this.wireType) {
      case 0:
        this.#readVarint(this.tagEnd);
        this.contentStart = this.tagEnd;
        this.end = this.#varintEnd;
        return;
      case 1:
        this.#setContent(this.tagEnd, 8);
        return;
      case lengthDelimited: {
        const length = this.#readVarint(this.tagEnd);
        this.#setContent(this.#varintEnd, length);
        return;
      }
      case 5:
        this.#setContent(this.tagEnd, 4);
        return;
      default:
        throw new MalformedMessageError(`wire type ${this.wireType} is not in use`);
    }
  }

  #setContent(start: number, length: number): void {
    if (length > this.#limit - start) throw new MalformedMessageError('a field runs over the end');
    this.contentStart = start;
    this.end = start + length;
  }

  /** Numbers from 2^53 on come out inexact: still too large for a field or a length. */
  #readVarint(start: number): number {
    const limit = Math.min(this.#limit, start + maxVarintBytes);
    let value = 0;
    let factor = 1;
    for (let position = start; position < limit; position += 1) {
      const byte = this.#bytes[position] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.#varintEnd = position + 1;
        return value;
      }
      factor *= 0x80;
    }
    throw new MalformedMessageError('a number runs over the end');
  }
}
