import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { formatLine } from './flat-line.ts';

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant('\u{d800}"\\\n'));
const value = fc.oneof(
  text,
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
  fc.boolean(),
  fc.array(text, { maxLength: 3 }),
  fc.constant(undefined),
);
const name = fc.stringMatching(/^[a-z_.]{1,12}$/).filter((each) => each !== 'level');

describe('a line of flat fields', () => {
  test('is the JSON of its fields, in ASCII', () => {
    fc.assert(
      fc.property(fc.dictionary(name, value), text, (fields, message) => {
        const line = formatLine('{"level":30', fields, message);
        expect(line).toMatch(/^[ -~]*\n$/);
        const expected = JSON.parse(JSON.stringify({ level: 30, ...fields, msg: message }));
        expect(JSON.parse(line)).toEqual(expected);
      }),
    );
  });

  test('has the fields in their order, and none that is undefined', () => {
    const line = formatLine('{"level":30', { b: 1, a: undefined, c: ['x', 'ü'] }, 'done');
    expect(line).toBe('{"level":30,"b":1,"c":["x","\\u00fc"],"msg":"done"}\n');
  });
});
