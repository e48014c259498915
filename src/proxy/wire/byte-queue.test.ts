import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { ByteQueue } from './byte-queue.ts';

const action = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), length: fc.integer({ min: 0, max: 90_000 }) }),
  fc.record({
    kind: fc.constant('discard' as const),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({ kind: fc.constant('clear' as const) }),
);

describe('ByteQueue', () => {
  test('gives back what was appended, in order, whatever the pieces', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const queue = new ByteQueue();
        let model = Buffer.alloc(0);
        let next = 0;
        for (const action of actions) {
          if (action.kind === 'append') {
            const bytes = Buffer.alloc(action.length);
            for (let index = 0; index < bytes.length; index += 1) bytes[index] = next++ & 0xff;
            model = Buffer.concat([model, bytes]);
            queue.append(bytes);
            bytes.fill(0);
          } else if (action.kind === 'discard') {
            const length = Math.floor(queue.front().length * action.share);
            model = model.subarray(length);
            queue.discard(length);
          } else {
            model = Buffer.alloc(0);
            queue.clear();
          }
          const front = queue.front();
          expect(queue.length).toBe(model.length);
          expect(front.length > 0).toBe(model.length > 0);
          expect(front.equals(model.subarray(0, front.length))).toBe(true);
        }
      }),
    );
  });
});
