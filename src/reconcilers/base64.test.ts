import { expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';

import { toBase64 } from './base64.ts';

test('a text becomes the base64 of its UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(toBase64(text)).toBe(Buffer.from(text, 'utf8').toString('base64'));
    }),
  );
});
