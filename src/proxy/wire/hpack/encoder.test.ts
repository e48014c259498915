import { describe, expect, test } from '@jest/globals';
import { Decoder } from './decoder.ts';
import { Encoder, type EncoderOptions } from './encoder.ts';
import { headerField, type HeaderField } from './header-field.ts';
import { plainSeries } from './rfc7541-examples.ts';

function encodeHex(encoder: Encoder, fields: readonly HeaderField[]): string {
  const target = Buffer.alloc(encoder.bound(fields));
  return target.toString('hex', 0, encoder.encode(fields, target, 0));
}

/** Everything is indexed that can be. */
const indexAll: EncoderOptions = { unindexedNames: new Set() };

describe('an encoder', () => {
  test.each(plainSeries)(
    'writes the examples of RFC 7541 appendix $section',
    ({ maxTableBytes, blocks }) => {
      const encoder = new Encoder(indexAll);
      encoder.setPeerLimit(maxTableBytes);
      const sizeUpdate = maxTableBytes === 4096 ? '' : '3fe101';
      for (const [index, { hex, fields, tableBytes }] of blocks.entries()) {
        const block = fields.map(([name, value]) => headerField(name, value));
        expect(encodeHex(encoder, block)).toBe((index === 0 ? sizeUpdate : '') + hex);
        expect(encoder.tableBytes).toBe(tableBytes);
      }
    },
  );

  test('refers to an entry whether or not the field is the same object', () => {
    const encoder = new Encoder();
    const field = headerField('a', 'b');
    expect(encodeHex(encoder, [field])).toBe('4001610162');
    expect(encodeHex(encoder, [field])).toBe('be');
    expect(encodeHex(encoder, [headerField('a', 'b')])).toBe('be');
  });

  test('does not take the entry of another encoder for its own', () => {
    const field = headerField('a', 'b');
    const [first, second] = [new Encoder(), new Encoder()];
    encodeHex(first, [headerField('x', 'y'), field]);
    expect(encodeHex(second, [field])).toBe('4001610162');
    expect(encodeHex(first, [field])).toBe('be');
    expect(encodeHex(second, [field])).toBe('be');
  });

  test('never indexes what must not be, and keeps it from the tables of further hops', () => {
    const encoder = new Encoder();
    const secret = headerField('password', 'secret', true);
    expect(encodeHex(encoder, [secret])).toBe('100870617373776f726406736563726574');
    expect(encodeHex(encoder, [headerField(':method', 'GET', true)])).toBe('1203474554');
    expect(encoder.tableBytes).toBe(0);
  });

  test('does not index names whose values hardly repeat', () => {
    const encoder = new Encoder();
    encodeHex(encoder, [headerField('grpc-timeout', '10S'), headerField('date', 'today')]);
    expect(encoder.tableBytes).toBe(0);
  });

  test('does not let a large field push everything out', () => {
    const encoder = new Encoder();
    encodeHex(encoder, [headerField('a', 'b')]);
    encodeHex(encoder, [headerField('large', 'x'.repeat(3000))]);
    expect(encodeHex(encoder, [headerField('a', 'b')])).toBe('be');
  });

  test('tells the lowest and the last of several table sizes', () => {
    const encoder = new Encoder();
    encoder.setPeerLimit(100);
    encoder.setPeerLimit(0);
    encoder.setPeerLimit(64);
    expect(encodeHex(encoder, [])).toBe('203f21');
    expect(encodeHex(encoder, [])).toBe('');
  });

  test('does not use more than its own limit, whatever the peer allows', () => {
    const encoder = new Encoder({ maxTableBytes: 100 });
    encoder.setPeerLimit(1_000_000);
    const fields = Array.from({ length: 20 }, (_, index) => headerField('name', String(index)));
    encodeHex(encoder, fields);
    expect(encoder.tableBytes).toBeLessThanOrEqual(100);
  });

  test('uses no table if the peer allows none', () => {
    const encoder = new Encoder();
    encoder.setPeerLimit(0);
    expect(encodeHex(encoder, [headerField('a', 'b')])).toBe('200001610162');
    expect(encodeHex(encoder, [headerField('a', 'b')])).toBe('0001610162');
  });

  test('keeps its indices right over thousands of evictions', () => {
    const encoder = new Encoder();
    const decoder = new Decoder({ maxTableBytes: 4096, maxListBytes: 65_536, maxListFields: 10 });
    const old: HeaderField[] = [];
    for (let index = 0; index < 3000; index++) {
      old.push(headerField('a', String(index)));
      const fields = old.filter((_, age) => age === index || age === index - (index % 120));
      const target = Buffer.alloc(encoder.bound(fields));
      const decoded = decoder.decode(target, 0, encoder.encode(fields, target, 0));
      expect(decoded?.map(({ value }) => value)).toEqual(fields.map(({ value }) => value));
      expect(decoder.tableBytes).toBe(encoder.tableBytes);
    }
  });

  test('stays within its bound, for texts of every length', () => {
    for (const length of [0, 1, 15, 16, 126, 127, 128, 254, 255, 16_383, 16_511, 70_000]) {
      const encoder = new Encoder();
      encoder.setPeerLimit(0);
      encoder.setPeerLimit(4096);
      const fields = [headerField('x'.repeat(length), 'y'.repeat(length))];
      const target = Buffer.alloc(encoder.bound(fields) + 1, 0xdd);
      expect(encoder.encode(fields, target, 0)).toBeLessThan(target.length);
      expect(target.at(-1)).toBe(0xdd);
    }
  });
});
