import { describe, expect, test } from '@jest/globals';
import { LentBuffer } from './lent-buffer.ts';

describe('a lent buffer', () => {
  test('is used again when it was given back, and not before', () => {
    const lent = new LentBuffer();
    const buffer = Buffer.alloc(100);
    lent.lend(buffer);
    expect(lent.take(100)).not.toBe(buffer);
    lent.giveBack();
    lent.giveBack();
    expect(lent.take(50)).toBe(buffer);
    expect(lent.take(50)).not.toBe(buffer);
  });

  test('is not used where more is needed', () => {
    const lent = new LentBuffer();
    lent.lend(Buffer.alloc(100));
    lent.giveBack();
    expect(lent.take(101)).toHaveLength(101);
  });
});
