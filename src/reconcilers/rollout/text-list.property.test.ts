import { expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { TextList } from './text-list.ts';

const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constant(''));
/** Up to several pages, and often an end of one. */
const texts = fc.oneof(
  fc.array(text, { maxLength: 300 }),
  fc
    .constantFrom(63, 64, 65, 128)
    .chain((count) => fc.array(text, { minLength: count, maxLength: count })),
);

function listOf(texts: readonly string[]): TextList {
  const list = new TextList();
  for (const one of texts) list.push(one);
  return list;
}

test('any texts come out as they went in, each at its place', () => {
  fc.assert(
    fc.property(texts, (texts) => {
      const list = listOf(texts);
      expect(list.length).toBe(texts.length);
      expect(texts.map((_, place) => list.at(place))).toEqual(texts);
      expect([list.at(-1), list.at(texts.length)]).toEqual([undefined, undefined]);
    }),
  );
});

test('texts take their bytes and four more each', () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 128, maxLength: 128 }), (texts) => {
      const bytes = texts.reduce((sum, one) => sum + Buffer.byteLength(one), 0);
      expect(listOf(texts).byteLength).toBe(bytes + 4 * texts.length);
    }),
  );
});
