import type { HeaderField } from './header-field.ts';
import { staticNameIndex, staticPairIndex, staticTableLength } from './static-table.ts';

export interface EncoderOptions {
  /** Largest dynamic table that we keep, also if the peer allows more. Default 4096 octets. */
  readonly maxTableBytes?: number;
  /** Names whose values hardly ever repeat. Default {@link rarelyRepeatedNames}. */
  readonly unindexedNames?: ReadonlySet<string>;
}

/** A table full of these would push out what does repeat. */
const rarelyRepeatedNames: ReadonlySet<string> = new Set([
  'content-length',
  'date',
  'gitaly-reference-transaction',
  'gitaly-sidechannel-id',
  'grpc-message',
  'grpc-status-details-bin',
  'grpc-timeout',
  'grpc-trace-bin',
  'traceparent',
  'tracestate',
  'x-gitlab-correlation-id',
]);

/** What the peer's decoder begins with, RFC 9113 section 6.5.2. */
const initialTableBytes = 4096;
const defaultMaxTableBytes = 4096;
/** A table size update has at most this many octets, and at most two stand before a block. */
const sizeUpdateBytes = 6;
/** Where the array of entries is cut to what is live. */
const compactAt = 512;
/** Shorter texts are faster written in a loop than by a call of native code. */
const shortText = 16;

/**
 * Encodes the header blocks of one direction of one connection. RFC 7541. Texts are not Huffman
 * coded: what repeats is in the table, and the rest is not worth the time.
 */
export class Encoder {
  readonly #maxTableBytes: number;
  readonly #unindexedNames: ReadonlySet<string>;
  /** Insertion number of what is in the table, by {@link tableKey}. */
  readonly #insertions = new Map<string, number>();
  /** Entries in order of insertion; those before `#oldest` are gone. */
  #entries: (HeaderField | undefined)[] = [];
  #oldest = 0;
  /** Insertion number of `#entries[0]`. */
  #firstInsertion = 0;
  #tableBytes = 0;
  #capacity = initialTableBytes;
  /** The smallest size since the last block, if the size has changed since. */
  #smallestCapacity: number | undefined;

  constructor(options: EncoderOptions = {}) {
    this.#maxTableBytes = options.maxTableBytes ?? defaultMaxTableBytes;
    this.#unindexedNames = options.unindexedNames ?? rarelyRepeatedNames;
    this.setPeerLimit(initialTableBytes);
  }

  /** Octets that the dynamic table counts now. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  /** The peer allows a dynamic table of this size (SETTINGS_HEADER_TABLE_SIZE). */
  setPeerLimit(bytes: number): void {
    const capacity = Math.min(bytes, this.#maxTableBytes);
    if (capacity === this.#capacity) return;
    this.#capacity = capacity;
    this.#smallestCapacity = Math.min(capacity, this.#smallestCapacity ?? capacity);
    this.#evict(0);
  }

  /** No block of these fields is longer than this. */
  bound(fields: readonly HeaderField[]): number {
    let bytes = 2 * sizeUpdateBytes;
    // An entry's overhead is more than what the lengths of name and value and the prefix need.
    for (const field of fields) bytes += field.size;
    return bytes;
  }

  /**
   * Writes the block at `target[position]`, where {@link bound} octets are free.
   *
   * @returns the position after it
   */
  encode(fields: readonly HeaderField[], target: Buffer, position: number): number {
    let end = position;
    if (this.#smallestCapacity !== undefined) end = this.#encodeTableSizes(target, end);
    for (const field of fields) {
      if (field.staticIndex > 0) target[end++] = 0x80 | field.staticIndex;
      else if (field.encodedBy === this && this.#isLive(field.encodedAs)) {
        end = this.#writeReference(target, end, field.encodedAs);
      } else end = this.#encodeUnknown(field, target, end);
    }
    return end;
  }

  /** Both the lowest and the last of several changes must be told, RFC 7541 section 4.2. */
  #encodeTableSizes(target: Buffer, position: number): number {
    let end = position;
    const smallest = this.#smallestCapacity ?? this.#capacity;
    if (smallest < this.#capacity) end = writeInteger(target, end, 0x20, 0x1f, smallest);
    this.#smallestCapacity = undefined;
    return writeInteger(target, end, 0x20, 0x1f, this.#capacity);
  }

  #isLive(insertion: number): boolean {
    return insertion >= this.#firstInsertion + this.#oldest;
  }

  #isIndexed(field: HeaderField): boolean {
    // A field as large as half the table would push out all that is worth keeping.
    return field.size <= this.#capacity / 2 && !this.#unindexedNames.has(field.name);
  }

  /** Writes a field that was not written before, or not by this encoder. */
  #encodeUnknown(field: HeaderField, target: Buffer, position: number): number {
    if (field.neverIndexed) return writeLiteral(target, position, 0x10, 0x0f, field);
    if (field.staticIndex < 0) field.staticIndex = staticPairIndex(field.name, field.value);
    if (field.staticIndex > 0) {
      target[position] = 0x80 | field.staticIndex;
      return position + 1;
    }
    if (!this.#isIndexed(field)) return writeLiteral(target, position, 0x00, 0x0f, field);
    const insertion = this.#insertions.get(tableKey(field));
    if (insertion === undefined) {
      this.#insert(field);
      return writeLiteral(target, position, 0x40, 0x3f, field);
    }
    field.encodedBy = this;
    field.encodedAs = insertion;
    return this.#writeReference(target, position, insertion);
  }

  #writeReference(target: Buffer, position: number, insertion: number): number {
    const newest = this.#firstInsertion + this.#entries.length - 1;
    const index = staticTableLength + 1 + newest - insertion;
    return writeInteger(target, position, 0x80, 0x7f, index);
  }

  #insert(field: HeaderField): void {
    this.#evict(field.size);
    this.#tableBytes += field.size;
    this.#entries.push(field);
    field.encodedBy = this;
    field.encodedAs = this.#firstInsertion + this.#entries.length - 1;
    this.#insertions.set(tableKey(field), field.encodedAs);
  }

  /** Makes room for an entry of `neededBytes`. */
  #evict(neededBytes: number): void {
    while (this.#tableBytes + neededBytes > this.#capacity && this.#tableBytes > 0) {
      const field = this.#entries[this.#oldest];
      this.#entries[this.#oldest++] = undefined;
      if (field === undefined) continue;
      this.#tableBytes -= field.size;
      this.#insertions.delete(tableKey(field));
    }
    if (this.#oldest >= compactAt) {
      this.#entries = this.#entries.slice(this.#oldest);
      this.#firstInsertion += this.#oldest;
      this.#oldest = 0;
    }
  }
}

/** Identifies a field; what has NUL in its name or value is malformed and never passed on. */
function tableKey(field: HeaderField): string {
  field.tableKey ??= `${field.name}\0${field.value}`;
  return field.tableKey;
}

function writeLiteral(
  target: Buffer,
  position: number,
  pattern: number,
  prefixMask: number,
  field: HeaderField,
): number {
  const nameIndex = staticNameIndex(field.name);
  let end = writeInteger(target, position, pattern, prefixMask, nameIndex);
  if (nameIndex === 0) end = writeText(target, end, field.name);
  return writeText(target, end, field.value);
}

function writeText(target: Buffer, position: number, text: string): number {
  const start = writeInteger(target, position, 0x00, 0x7f, text.length);
  if (text.length < shortText) {
    for (let i = 0; i < text.length; i++) target[start + i] = text.charCodeAt(i);
  } else {
    target.write(text, start, text.length, 'latin1');
  }
  return start + text.length;
}

/** RFC 7541 section 5.1. */
function writeInteger(
  target: Buffer,
  position: number,
  pattern: number,
  prefixMask: number,
  value: number,
): number {
  if (value < prefixMask) {
    target[position] = pattern | value;
    return position + 1;
  }
  let end = position;
  target[end++] = pattern | prefixMask;
  let rest = value - prefixMask;
  for (; rest > 0x7f; rest >>>= 7) target[end++] = (rest & 0x7f) | 0x80;
  target[end++] = rest;
  return end;
}
