import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { SendQueue } from './send-queue.ts';

const queue = fc.constantFrom<'one' | 'other'>('one', 'other');
const action = fc.oneof(
  fc.record({
    kind: fc.constant('push' as const),
    queue,
    length: fc.integer({ min: 1, max: 60_000 }),
  }),
  fc.record({
    kind: fc.constant('shift' as const),
    queue,
    share: fc.constantFrom(0.4, 1),
  }),
  fc.record({ kind: fc.constant('clear' as const), queue }),
);

describe('the queues of streams', () => {
  test('give back what was pushed, in order, whatever becomes of each other', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const queues = { one: new SendQueue(), other: new SendQueue() };
        const models = { one: noBytes, other: noBytes };
        let next = 0;
        for (const action of actions) {
          const queue = queues[action.queue];
          const model = models[action.queue];
          if (action.kind === 'push') {
            const bytes = Buffer.alloc(action.length);
            for (let index = 0; index < bytes.length; index += 1) bytes[index] = next++ % 251;
            models[action.queue] = Buffer.concat([model, bytes]);
            queue.push(bytes, 0, bytes.length, undefined);
            bytes.fill(0);
          } else if (action.kind === 'shift') {
            const { start = 0, end = 0 } = queue.head ?? {};
            const length = Math.ceil((end - start) * action.share);
            models[action.queue] = model.subarray(length);
            queue.shift(length);
          } else {
            models[action.queue] = noBytes;
            queue.clear();
          }
          expect(queue.bytes).toBe(models[action.queue].length);
        }
        for (const name of ['one', 'other'] as const) {
          expect(taken(queues[name]).equals(models[name])).toBe(true);
        }
      }),
    );
  });

  test('credit each source with what they drop of its data', () => {
    const credited = { first: 0, second: 0 };
    const first = { consumed: (bytes: number) => void (credited.first += bytes) };
    const second = { consumed: (bytes: number) => void (credited.second += bytes) };
    const queue = new SendQueue();
    queue.push(Buffer.alloc(300), 100, 300, first);
    queue.push(Buffer.alloc(20_000), 0, 20_000, second);
    queue.push(Buffer.alloc(10), 0, 10, first);
    queue.shift(50);
    queue.clear();
    expect(credited).toEqual({ first: 160, second: 20_000 });
  });
});

const noBytes = Buffer.alloc(0);

/** All that waits, shifted out. */
function taken(queue: SendQueue): Buffer {
  const pieces: Buffer[] = [];
  for (let piece = queue.head; piece !== undefined; piece = queue.head) {
    pieces.push(Buffer.from(piece.bytes.subarray(piece.start, piece.end)));
    queue.shift(piece.end - piece.start);
  }
  return Buffer.concat(pieces);
}
