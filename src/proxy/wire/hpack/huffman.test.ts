import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { HpackError } from './errors.ts';
import { huffmanCodes, huffmanDecode, huffmanDecodedBound } from './huffman.ts';

/** Codes one symbol after the other, and fills up with ones. */
function encode(symbols: readonly number[], padding = '1'): Buffer {
  let bits = symbols
    .map((symbol) => {
      const { bits, length } = huffmanCodes[symbol] ?? { bits: 0, length: 0 };
      return bits.toString(2).padStart(length, '0');
    })
    .join('');
  while (bits.length % 8 > 0) bits += padding;
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)));
}

function decode(bytes: Buffer): Buffer {
  const target = Buffer.alloc(huffmanDecodedBound(bytes.length));
  return target.subarray(0, huffmanDecode(bytes, 0, bytes.length, target));
}

const endOfString = 256;

describe('the Huffman code', () => {
  test('has the codes of RFC 7541 appendix B', () => {
    expect(huffmanCodes).toHaveLength(257);
    const codeOf = (symbol: number) => huffmanCodes[symbol];
    expect(codeOf(0)).toEqual({ bits: 0x1ff8, length: 13 });
    expect(codeOf('a'.charCodeAt(0))).toEqual({ bits: 0x3, length: 5 });
    expect(codeOf('\\'.charCodeAt(0))).toEqual({ bits: 0x7fff0, length: 19 });
    expect(codeOf('~'.charCodeAt(0))).toEqual({ bits: 0x1ffd, length: 13 });
    expect(codeOf(22)).toEqual({ bits: 0x3ffffffe, length: 30 });
    expect(codeOf(255)).toEqual({ bits: 0x3ffffee, length: 26 });
    expect(codeOf(endOfString)).toEqual({ bits: 0x3fffffff, length: 30 });
  });

  test('decodes what was encoded', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 255 }), { maxLength: 200 }), (symbols) => {
        expect([...decode(encode(symbols))]).toEqual(symbols);
      }),
    );
  });

  test('decodes only the bytes between start and end', () => {
    const bytes = Buffer.concat([Buffer.from([0xff]), encode([97, 98, 99]), Buffer.from([0x00])]);
    const target = Buffer.alloc(16);
    const length = huffmanDecode(bytes, 1, bytes.length - 1, target);
    expect(target.toString('latin1', 0, length)).toBe('abc');
  });

  test('refuses the end-of-string symbol', () => {
    expect(() => decode(encode([97, endOfString, 97]))).toThrow(HpackError);
    expect(() => decode(encode([endOfString]))).toThrow(HpackError);
  });

  test('refuses padding that is not all ones', () => {
    expect(() => decode(encode([97], '0'))).toThrow(HpackError);
  });

  test('refuses padding of an octet or more', () => {
    expect(() => decode(Buffer.from([0xff]))).toThrow(HpackError);
    expect(() => decode(Buffer.concat([encode([97]), Buffer.from([0xff])]))).toThrow(HpackError);
    expect(() => decode(Buffer.concat([encode([97]), Buffer.alloc(3, 0xff)]))).toThrow(HpackError);
  });

  test('gives a text or an HpackError for any bytes, and never writes beyond its bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        const bytes = Buffer.from(octets);
        try {
          const text = decode(bytes);
          // The code is complete: what decodes has exactly one encoding.
          expect(encode([...text])).toEqual(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(HpackError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
