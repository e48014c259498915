import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { GrowingBuffer } from './growing-buffer.ts';

describe('a growing buffer', () => {
  test('holds what was appended and not dropped, and its views stay as they were', () => {
    const anyAction = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), bytes: fc.uint8Array({ maxLength: 20 }) }),
      fc.record({ kind: fc.constant('drop' as const), length: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.array(anyAction), (actions) => {
        const buffer = new GrowingBuffer();
        let expected: number[] = [];
        const views: { view: Buffer; text: string }[] = [];
        for (const action of actions) {
          if (action.kind === 'append') {
            const padded = Buffer.from([0xaa, ...action.bytes, 0xbb]);
            buffer.append(padded, 1, padded.length - 1);
            expected.push(...action.bytes);
          } else {
            const length = Math.min(action.length, expected.length);
            buffer.dropFirst(length);
            expected = expected.slice(length);
          }
          expect([...buffer.bytes]).toEqual(expected);
          expect(buffer.length).toBe(expected.length);
          views.push({ view: buffer.bytes, text: buffer.bytes.toString('hex') });
        }
        for (const { view, text } of views) expect(view.toString('hex')).toBe(text);
      }),
    );
  });

  test('takes a megabyte byte by byte in no time worth mentioning', () => {
    const buffer = new GrowingBuffer();
    const byte = Buffer.from('x');
    const before = process.cpuUsage();
    for (let count = 0; count < 1 << 20; count++) buffer.append(byte, 0, 1);
    expect(buffer.length).toBe(1 << 20);
    // Not the time that the machine spends on others.
    expect(process.cpuUsage(before).user).toBeLessThan(5_000_000);
  });
});
