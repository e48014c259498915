import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { formatTimeout, parseTimeoutMs, readStatus, statusTrailers } from './grpc-status.ts';
import { headerField } from './hpack/header-field.ts';

describe('a status', () => {
  it('survives the way through trailers, whatever its text', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 16 }),
        fc.string({ unit: 'grapheme' }),
        (code, message) => {
          const trailers = statusTrailers({ code, message });
          expect(readStatus(trailers)).toEqual({ code, message });
          for (const { value } of trailers) expect(value).toMatch(/^[ -~]*$/);
        },
      ),
    );
  });

  it('is UNKNOWN where there is none, or no number', () => {
    expect(readStatus([]).code).toBe(2);
    expect(readStatus([headerField('grpc-status', 'x')]).code).toBe(2);
  });
});

describe('grpc-timeout', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['4m', 4],
    ['500u', 0.5],
    ['20000000n', 20],
    ['0S', 0],
    ['00000005S', 5000],
    ['99999999H', 99_999_999 * 3_600_000],
  ])('reads %s', (value, expected) => {
    expect(parseTimeoutMs(value)).toBeCloseTo(expected);
  });

  it.each([
    '',
    '5',
    'm',
    '123456789m',
    '1x',
    '-5S',
    '+5S',
    '5 S',
    ' 5S',
    '1.5S',
    '0x5S',
    '5s',
    '٥S',
  ])('does not take "%s" for one', (value) => {
    expect(parseTimeoutMs(value)).toBeUndefined();
  });

  it('is digits and a unit, whatever else comes', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.stringMatching(/^[-+ .]?[0-9]{0,10}[HMSmunsh]?$/),
    );
    fc.assert(
      fc.property(text, (value) => {
        const timeoutMs = parseTimeoutMs(value);
        const digits = value.slice(0, -1);
        const isTimeout =
          digits.split('').every((digit) => '0123456789'.includes(digit)) &&
          digits.length >= 1 &&
          digits.length <= 8 &&
          'HMSmun'.includes(value.at(-1) ?? ' ');
        if (isTimeout) expect(timeoutMs).toBeGreaterThanOrEqual(0);
        else expect(timeoutMs).toBeUndefined();
      }),
    );
  });

  it('is never shorter than what was asked for, nor too long to be written', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 9e10, noNaN: true }), (timeoutMs) => {
        expect(parseTimeoutMs(formatTimeout(timeoutMs))).toBeGreaterThanOrEqual(timeoutMs);
      }),
    );
  });
});
