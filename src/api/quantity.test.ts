import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';

import { compareQuantities, timesIn } from './quantity.ts';

describe('compareQuantities', () => {
  test.each([
    ['1Gi', '1024Mi'],
    ['1.5Gi', '1536Mi'],
    ['1G', '1000M'],
    ['1e3', '1k'],
    ['100m', '0.1'],
    ['0.5', '500m'],
  ])('%s equals %s', (a, b) => {
    expect(compareQuantities(a, b)).toBe(0);
  });

  test.each([
    ['1G', '1Gi'],
    ['50Gi', '51Gi'],
    ['999Mi', '1Gi'],
    ['-1', '0'],
    ['1n', '1u'],
  ])('%s is less than %s', (a, b) => {
    expect(compareQuantities(a, b)).toBeLessThan(0);
    expect(compareQuantities(b, a)).toBeGreaterThan(0);
  });

  test('what is not a quantity is refused by name', () => {
    expect(() => compareQuantities('50 GB', '1')).toThrow('not a Kubernetes quantity: 50 GB');
  });

  test('whole numbers of bytes compare as numbers do', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        expect(Math.sign(compareQuantities(`${a}`, `${b}`))).toBe(Math.sign(a - b));
      }),
    );
  });
});

describe('timesIn', () => {
  test.each([
    ['2', '1', '0', 2],
    ['1999m', '1', '0', 1],
    ['1Gi', '256Mi', '0', 4],
    ['1Gi', '256Mi', '1Mi', 3],
    ['100Mi', '256Mi', '200Mi', 0],
    ['lots', '1', '0', 0],
  ])('%s holds %s, beside %s, so many times: %d', (quantity, unit, reserved, times) => {
    expect(timesIn(quantity, unit, reserved)).toBe(times);
  });

  test('takes a number as YAML has it', () => {
    expect(timesIn(4, '1')).toBe(4);
  });
});
