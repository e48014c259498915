import { describe, expect, test } from '@jest/globals';
import { Decoder, type DecoderLimits } from './decoder.ts';
import { HpackError } from './errors.ts';
import { huffmanSeries, plainSeries } from './rfc7541-examples.ts';

const roomy: DecoderLimits = { maxTableBytes: 4096, maxListBytes: 65_536, maxListFields: 1000 };

function decodeHex(decoder: Decoder, hex: string) {
  const bytes = Buffer.from(hex, 'hex');
  return decoder.decode(bytes, 0, bytes.length)?.map(({ name, value }) => [name, value]);
}

/** A literal without indexing, not Huffman coded. */
function literalHex(name: string, value: string): string {
  const text = (text: string) =>
    Buffer.from([text.length]).toString('hex') + Buffer.from(text, 'latin1').toString('hex');
  return `00${text(name)}${text(value)}`;
}

describe('a decoder', () => {
  test.each([...plainSeries, ...huffmanSeries])(
    'reads the examples of RFC 7541 appendix $section',
    ({ maxTableBytes, blocks }) => {
      const decoder = new Decoder(roomy);
      // The examples begin with a table of that size; ours is told so.
      if (maxTableBytes === 256) decodeHex(decoder, '3fe101');
      for (const { hex, fields, tableBytes } of blocks) {
        expect(decodeHex(decoder, hex)).toEqual(fields);
        expect(decoder.tableBytes).toBe(tableBytes);
      }
    },
  );

  test('reads each kind of literal: RFC 7541 appendix C.2', () => {
    const decoder = new Decoder(roomy);
    const indexed = '400a637573746f6d2d6b65790d637573746f6d2d686561646572';
    expect(decodeHex(decoder, indexed)).toEqual([['custom-key', 'custom-header']]);
    expect(decoder.tableBytes).toBe(55);
    const unindexed = '040c2f73616d706c652f70617468';
    expect(decodeHex(decoder, unindexed)).toEqual([[':path', '/sample/path']]);
    expect(decodeHex(decoder, '82')).toEqual([[':method', 'GET']]);
    expect(decoder.tableBytes).toBe(55);
  });

  test('marks what must never be indexed', () => {
    const secret = Buffer.from('100870617373776f726406736563726574', 'hex');
    const [field] = new Decoder(roomy).decode(secret, 0, secret.length) ?? [];
    expect(field).toMatchObject({ name: 'password', value: 'secret', neverIndexed: true });
  });

  test('returns the same object for the same entry', () => {
    const decoder = new Decoder(roomy);
    const first = Buffer.from('400161016282', 'hex');
    const second = Buffer.from('be82', 'hex');
    const fields = decoder.decode(first, 0, first.length) ?? [];
    const again = decoder.decode(second, 0, second.length) ?? [];
    expect(again[0]).toBe(fields[0]);
    expect(again[1]).toBe(fields[1]);
  });

  test('keeps every octet of a value', () => {
    const value = Buffer.from(Array.from({ length: 120 }, (_, index) => index + 136));
    const bytes = Buffer.concat([Buffer.from([0x00, 1, 0x61, value.length]), value]);
    const [field] = new Decoder(roomy).decode(bytes, 0, bytes.length) ?? [];
    expect(Buffer.from(field?.value ?? '', 'latin1')).toEqual(value);
  });

  test.each([
    ['index 0', '80'],
    ['an index beyond the tables', 'be'],
    ['a name index beyond the tables', '7f00016100'],
    ['an index that goes on for ever', 'ffffffffffffffff'],
    ['an index that is cut off', 'ff'],
    ['a text longer than the block', '00056162'],
    ['a text whose length is cut off', '007f'],
    ['a block that ends after a name', '000161'],
    ['a text length beyond any frame', '007fffffffff7f'],
    ['a table size update beyond the limit', '3fe21f'],
    ['a table size update after a field', '8220'],
    ['a Huffman text with wrong padding', '00811e0161'],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeHex(new Decoder(roomy), hex)).toThrow(HpackError);
  });

  test('reads nothing outside of start and end', () => {
    const bytes = Buffer.from('0001610162', 'hex');
    const around = Buffer.concat([Buffer.from('8282', 'hex'), bytes, Buffer.from('82', 'hex')]);
    const decoder = new Decoder(roomy);
    expect(decoder.decode(around, 2, 7)).toHaveLength(1);
    expect(() => decoder.decode(around, 2, 6)).toThrow(HpackError);
  });

  test('evicts the oldest entries when the table is full', () => {
    const decoder = new Decoder(roomy);
    decodeHex(decoder, '3f31'); // 80 octets: two entries of 34, not three
    decodeHex(decoder, '400161013140016201324001630133');
    expect(decoder.tableBytes).toBe(68);
    expect(decodeHex(decoder, 'bebf')).toEqual([
      ['c', '3'],
      ['b', '2'],
    ]);
    expect(() => decodeHex(decoder, 'c0')).toThrow(HpackError);
  });

  test('empties the table for an entry that is larger than it', () => {
    const decoder = new Decoder(roomy);
    decodeHex(decoder, '3f094001610131'); // 40 octets
    expect(decoder.tableBytes).toBe(34);
    expect(decodeHex(decoder, '40016109313233343536373839')).toEqual([['a', '123456789']]);
    expect(decoder.tableBytes).toBe(0);
  });

  test('keeps its indices right over thousands of evictions', () => {
    const decoder = new Decoder(roomy);
    for (let index = 0; index < 3000; index++) {
      const value = String(index).padStart(5, '0');
      const literal = `40016105${Buffer.from(value).toString('hex')}`;
      expect(decodeHex(decoder, literal)).toEqual([['a', value]]);
      expect(decodeHex(decoder, 'be')).toEqual([['a', value]]);
    }
    expect(decoder.tableBytes).toBeLessThanOrEqual(4096);
  });

  test('leaves out a list that is too long, and still follows the table', () => {
    const decoder = new Decoder({ ...roomy, maxListFields: 3 });
    expect(decodeHex(decoder, '828282')).toHaveLength(3);
    expect(decodeHex(decoder, '828282824001610162')).toBeUndefined();
    expect(decodeHex(decoder, 'be')).toEqual([['a', 'b']]);
  });

  test('leaves out a list that is too large, counted with 32 octets for each field', () => {
    const decoder = new Decoder({ ...roomy, maxListBytes: 2 * 34 });
    const field = literalHex('a', 'b');
    expect(decodeHex(decoder, field + field)).toHaveLength(2);
    expect(decodeHex(decoder, field + literalHex('a', 'bc'))).toBeUndefined();
  });

  test('keeps nothing for a block that refers to one entry a million times', () => {
    const decoder = new Decoder(roomy);
    decodeHex(decoder, `4001617f8101${'62'.repeat(256)}`);
    const bomb = Buffer.alloc(1_000_000, 0xbe);
    expect(decoder.decode(bomb, 0, bomb.length)).toBeUndefined();
  });

  describe('with a smaller table than the initial one', () => {
    const small: DecoderLimits = { ...roomy, maxTableBytes: 64 };

    test('allows the initial size until the settings are acknowledged', () => {
      const decoder = new Decoder(small);
      expect(decodeHex(decoder, '4001610131400162013240016301334001640134')).toHaveLength(4);
      expect(decoder.tableBytes).toBe(4 * 34);
    });

    test('then insists on a size update first', () => {
      const decoder = new Decoder(small);
      decodeHex(decoder, '4001610131400162013240016301334001640134');
      decoder.onSettingsAcknowledged();
      expect(() => decodeHex(decoder, '82')).toThrow(HpackError);
    });

    test('goes on after the size update', () => {
      const decoder = new Decoder(small);
      decodeHex(decoder, '4001610131400162013240016301334001640134');
      decoder.onSettingsAcknowledged();
      expect(decodeHex(decoder, '3f2182')).toEqual([[':method', 'GET']]);
      expect(decoder.tableBytes).toBe(34);
      expect(() => decodeHex(decoder, '3f2282')).toThrow(HpackError);
    });
  });

  test('allows a larger table from the start if it was announced', () => {
    const decoder = new Decoder({ ...roomy, maxTableBytes: 8192 });
    expect(decodeHex(decoder, '3fe13f82')).toHaveLength(1);
    expect(() => decodeHex(decoder, '3fe23f82')).toThrow(HpackError);
  });
});
