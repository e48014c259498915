import { HpackError } from './errors.ts';
import { HeaderField } from './header-field.ts';
import { huffmanDecode, huffmanDecodedBound } from './huffman.ts';
import { staticTable, staticTableLength } from './static-table.ts';

export interface DecoderLimits {
  /** Largest dynamic table that the peer may use, in octets (SETTINGS_HEADER_TABLE_SIZE). */
  readonly maxTableBytes: number;
  /** Largest header list, counted as in RFC 7541 section 4.1. */
  readonly maxListBytes: number;
  /** Most fields in a header list. */
  readonly maxListFields: number;
}

/** Before the first SETTINGS the peer may assume this, RFC 9113 section 6.5.2. */
const initialTableBytes = 4096;
/** Longer texts get a buffer of their own, for the moment. */
const scratchBytes = 4096;
/** Where the array of entries is cut to what is live. */
const compactAt = 512;

/** Decodes the header blocks of one direction of one connection. RFC 7541. */
export class Decoder {
  readonly #limits: DecoderLimits;
  /** Made when it is needed first: many connections never send a request. */
  #scratch: Buffer | undefined;
  /** Entries, oldest first; those before `#oldest` are gone. */
  #entries: (HeaderField | undefined)[] = [];
  #oldest = 0;
  #tableBytes = 0;
  /** The size that the encoder has set. */
  #capacity = initialTableBytes;
  /** The size that the encoder may set. */
  #maxCapacity: number;
  #mustShrink = false;
  /** Read position, and end, of the block that is being decoded. */
  #position = 0;
  #end = 0;

  constructor(limits: DecoderLimits) {
    this.#limits = limits;
    this.#maxCapacity = Math.max(initialTableBytes, limits.maxTableBytes);
  }

  /** Octets that the dynamic table counts now. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  /** The peer has acknowledged our settings: from now on `maxTableBytes` holds if it is smaller. */
  onSettingsAcknowledged(): void {
    this.#maxCapacity = this.#limits.maxTableBytes;
    this.#mustShrink = this.#capacity > this.#maxCapacity;
  }

  /**
   * Decodes the complete header block `bytes[start, end)`.
   *
   * @returns the fields, or undefined if they go beyond the limits of a list: the block has then been
   *   processed all the same, so that the next one can be
   * @throws HpackError if the block is malformed: the decoder must not be used any more
   */
  decode(bytes: Buffer, start: number, end: number): HeaderField[] | undefined {
    const { maxListBytes, maxListFields } = this.#limits;
    const fields: HeaderField[] = [];
    let listBytes = 0;
    this.#position = start;
    this.#end = end;
    this.#readTableSizes(bytes);
    while (this.#position < end) {
      const field = this.#readField(bytes);
      listBytes += field.size;
      // Repeated references cost the sender one octet each: nothing may be kept for them for ever.
      if (listBytes <= maxListBytes && fields.length <= maxListFields) fields.push(field);
    }
    return listBytes > maxListBytes || fields.length > maxListFields ? undefined : fields;
  }

  /** Size updates stand only at the beginning of a block, two at most. RFC 7541 section 4.2. */
  #readTableSizes(bytes: Buffer): void {
    let updates = 0;
    while (this.#position < this.#end && (this.#byte(bytes) & 0xe0) === 0x20) {
      const capacity = this.#readInteger(bytes, 0x1f);
      if (capacity > this.#maxCapacity) {
        throw new HpackError(`a table size of ${capacity} is more than was allowed`);
      }
      if (++updates > 2) throw new HpackError('the table size is changed more than twice');
      this.#mustShrink = false;
      this.#capacity = capacity;
      this.#evict();
    }
    if (this.#mustShrink) throw new HpackError('the table was not made smaller when it had to be');
  }

  #readField(bytes: Buffer): HeaderField {
    const first = this.#byte(bytes);
    if (first & 0x80) return this.#entry(this.#readInteger(bytes, 0x7f));
    if (first & 0x40) {
      const field = this.#readLiteral(bytes, 0x3f, false);
      this.#insert(field);
      return field;
    }
    if (first & 0x20) throw new HpackError('a table size update stands after a field');
    return this.#readLiteral(bytes, 0x0f, (first & 0x10) !== 0);
  }

  #readLiteral(bytes: Buffer, prefixMask: number, neverIndexed: boolean): HeaderField {
    const nameIndex = this.#readInteger(bytes, prefixMask);
    const name = nameIndex === 0 ? this.#readText(bytes) : this.#entry(nameIndex).name;
    return new HeaderField(name, this.#readText(bytes), neverIndexed);
  }

  #readText(bytes: Buffer): string {
    const isHuffman = (this.#byte(bytes) & 0x80) !== 0;
    const length = this.#readInteger(bytes, 0x7f);
    const start = this.#position;
    const end = start + length;
    if (end > this.#end) throw new HpackError('a text goes on after the end of its block');
    this.#position = end;
    if (!isHuffman) return bytes.toString('latin1', start, end);
    const target = this.#scratchFor(huffmanDecodedBound(length));
    return target.toString('latin1', 0, huffmanDecode(bytes, start, end, target));
  }

  #scratchFor(bytes: number): Buffer {
    if (bytes > scratchBytes) return Buffer.allocUnsafe(bytes);
    this.#scratch ??= Buffer.allocUnsafeSlow(scratchBytes);
    return this.#scratch;
  }

  /** RFC 7541 section 5.1. Larger numbers than a frame can need are refused. */
  #readInteger(bytes: Buffer, prefixMask: number): number {
    let value = this.#byte(bytes) & prefixMask;
    this.#position += 1;
    if (value < prefixMask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const octet = this.#byte(bytes);
      this.#position += 1;
      value += (octet & 0x7f) << shift;
      if ((octet & 0x80) === 0) return value;
    }
    throw new HpackError('an integer is too large');
  }

  #byte(bytes: Buffer): number {
    if (this.#position >= this.#end) throw new HpackError('a block ends inside a field');
    return bytes[this.#position] ?? 0;
  }

  #entry(index: number): HeaderField {
    if (index <= staticTableLength) {
      const field = index === 0 ? undefined : staticTable[index];
      if (field === undefined) throw new HpackError('index 0 is used');
      return field;
    }
    const offset = this.#entries.length - (index - staticTableLength);
    const field = offset < this.#oldest ? undefined : this.#entries[offset];
    if (field === undefined) throw new HpackError(`there is no entry ${index}`);
    return field;
  }

  #insert(field: HeaderField): void {
    this.#tableBytes += field.size;
    this.#entries.push(field);
    if (this.#tableBytes > this.#capacity) this.#evict();
  }

  #evict(): void {
    while (this.#tableBytes > this.#capacity) {
      this.#tableBytes -= this.#entries[this.#oldest]?.size ?? 0;
      this.#entries[this.#oldest++] = undefined;
    }
    if (this.#oldest >= compactAt) {
      this.#entries = this.#entries.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}
