import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { damaged } from '../../../../test/support/damaged-bytes.ts';
import { Decoder, type DecoderLimits } from './decoder.ts';
import { Encoder } from './encoder.ts';
import { HpackError } from './errors.ts';
import { headerField, type HeaderField } from './header-field.ts';

const limits: DecoderLimits = { maxTableBytes: 4096, maxListBytes: 1_000_000, maxListFields: 1000 };

const latin1 = (maxLength: number) =>
  fc
    .uint8Array({ maxLength })
    .map((octets) => Buffer.from(octets.filter((octet) => octet > 0)).toString('latin1'));

/** Few names and values, so that they repeat; and some that do not. */
const field: fc.Arbitrary<HeaderField> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(':path', ':method', 'te', 'user-agent', 'grpc-timeout', 'x-custom'),
      fc.constantFrom('', 'GET', '/', 'trailers', '1', 'a rather long value that repeats'),
      fc.boolean(),
    )
    .map(([name, value, neverIndexed]) => headerField(name, value, neverIndexed)),
  fc.tuple(latin1(40), latin1(300)).map(([name, value]) => headerField(name, value)),
);

type Step =
  | { readonly kind: 'block'; readonly fields: readonly HeaderField[] }
  | { readonly kind: 'tableSize'; readonly bytes: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('block' as const), fields: fc.array(field) }),
  },
  fc.record({
    kind: fc.constant('tableSize' as const),
    bytes: fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 10_000 })),
  }),
);

function encode(encoder: Encoder, fields: readonly HeaderField[]): Buffer {
  const target = Buffer.alloc(encoder.bound(fields));
  return target.subarray(0, encoder.encode(fields, target, 0));
}

const plain = (fields: readonly HeaderField[] | undefined) =>
  fields?.map(({ name, value, neverIndexed }) => ({ name, value, neverIndexed }));

describe('an encoder and a decoder', () => {
  test('pass on every list unchanged, whatever table sizes the decoder asks for', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat({ max: 8192 }), (steps, maxTable) => {
        const encoder = new Encoder({ maxTableBytes: maxTable });
        const decoder = new Decoder({ ...limits, maxTableBytes: 10_000 });
        for (const step of steps) {
          if (step.kind === 'tableSize') {
            encoder.setPeerLimit(step.bytes);
            continue;
          }
          const bytes = encode(encoder, step.fields);
          expect(plain(decoder.decode(bytes, 0, bytes.length))).toEqual(plain(step.fields));
          expect(decoder.tableBytes).toBe(encoder.tableBytes);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('pass on decoded fields to further connections', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(field), { maxLength: 10 }),
        fc.nat({ max: 2 }),
        (lists, hops) => {
          const encoders = Array.from({ length: hops + 1 }, () => new Encoder());
          const decoders = encoders.map(() => new Decoder(limits));
          for (const list of lists) {
            let fields: readonly HeaderField[] = list;
            for (const [index, encoder] of encoders.entries()) {
              const bytes = encode(encoder, fields);
              fields = decoders[index]?.decode(bytes, 0, bytes.length) ?? [];
            }
            expect(plain(fields)).toEqual(plain(list));
          }
        },
      ),
    );
  });
});

describe('a decoder', () => {
  /** Feeds blocks until one is refused; whatever they hold, the table stays within its size. */
  function feed(decoder: Decoder, blocks: readonly Buffer[]): void {
    for (const block of blocks) {
      try {
        decoder.decode(block, 0, block.length);
      } catch (error) {
        expect(error).toBeInstanceOf(HpackError);
        return;
      } finally {
        expect(decoder.tableBytes).toBeLessThanOrEqual(limits.maxTableBytes);
      }
    }
  }

  test('gives fields or an HpackError for any bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 100 }).map((octets) => Buffer.from(octets));
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 10 }), (blocks) => {
        feed(new Decoder(limits), blocks);
      }),
      { numRuns: 1000 },
    );
  });

  test('gives fields or an HpackError for damaged blocks', () => {
    const block = fc.array(field).map((fields) => encode(new Encoder(), fields));
    fc.assert(
      fc.property(fc.array(damaged(block), { maxLength: 10 }), (blocks) => {
        feed(new Decoder(limits), blocks);
      }),
      { numRuns: 1000 },
    );
  });
});
