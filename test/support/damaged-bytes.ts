import { fc } from './properties.ts';

interface Change {
  readonly at: number;
  readonly kind: 'flip' | 'set' | 'delete' | 'repeat' | 'insert' | 'cut';
  readonly value: number;
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('flip', 'set', 'delete', 'repeat', 'insert', 'cut'),
  value: fc.nat({ max: 255 }),
});

/** Valid bytes in which some were changed, dropped, repeated or added; sometimes none. */
export function damaged(valid: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(valid, fc.array(change, { maxLength: 6 }))
    .map(([bytes, changes]) => changes.reduce(apply, Buffer.from(bytes)));
}

function apply(bytes: Buffer, { at, kind, value }: Change): Buffer {
  const index = at % Math.max(1, bytes.length);
  const [head, tail] = [bytes.subarray(0, index), bytes.subarray(index)];
  switch (kind) {
    case 'flip':
      return Buffer.concat([
        head,
        tail.subarray(0, 1).map((byte) => byte ^ value),
        tail.subarray(1),
      ]);
    case 'set':
      return Buffer.concat([head, Buffer.alloc(Math.min(1, tail.length), value), tail.subarray(1)]);
    case 'delete':
      return Buffer.concat([head, tail.subarray(1 + (value % 20))]);
    case 'repeat':
      return Buffer.concat([head, tail.subarray(0, value), tail]);
    case 'insert':
      return Buffer.concat([head, Buffer.alloc(1 + (value % 14), value), tail]);
    case 'cut':
      return head;
  }
}

/** Sizes of the pieces in which bytes arrive; they are used over and over. */
export const pieceSizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 70_000 })),
  { minLength: 1, maxLength: 8 },
);

/** Cuts bytes into pieces of these sizes. */
export function inPieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let start = 0, turn = 0; start < bytes.length; turn++) {
    const end = Math.min(bytes.length, start + (sizes[turn % sizes.length] ?? bytes.length));
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
  return pieces;
}
