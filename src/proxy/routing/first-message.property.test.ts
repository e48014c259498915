import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { encodeStringField, encodeVarint } from '../../../test/support/encode-protobuf.ts';
import { fc } from '../../../test/support/properties.ts';
import { damaged } from '../../../test/support/damaged-bytes.ts';
import { CreateObjectPoolRequestSchema } from '../../gen/gitaly/objectpool_pb.ts';
import { RepositorySchema } from '../../gen/gitaly/shared_pb.ts';
import { readTarget, rewriteRepository } from './first-message.ts';
import { lookupMethod } from './method-table.ts';
import { FieldCursor, lengthDelimited } from './protobuf-fields.ts';

const createPool = lookupMethod('/gitaly.ObjectPoolService/CreateObjectPool');
const writeRef = lookupMethod('/gitaly.RepositoryService/WriteRef');
const target = { storage: 'gitaly-2', relativePath: '@cluster/pools/6b/86/1' };
const additional = { storage: 'gitaly-2', relativePath: '@cluster/repositories/d4/73/2' };

function messageField(number: number, parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const tag = encodeVarint(number * 8 + lengthDelimited);
  return Buffer.concat([tag, encodeVarint(content.length), content]);
}

/** Fields that no version of Gitaly has, of every kind. */
const unknownField = fc
  .tuple(fc.integer({ min: 100, max: 300 }), fc.constantFrom(0, 1, 2, 5), fc.nat(2 ** 30))
  .map(([number, wireType, value]) => {
    const tag = encodeVarint(number * 8 + wireType);
    const contents = [
      encodeVarint(value),
      Buffer.alloc(8, value),
      Buffer.concat([Buffer.from([3]), Buffer.alloc(3, value)]),
      Buffer.alloc(0),
      Buffer.alloc(0),
      Buffer.alloc(4, value),
    ];
    return Buffer.concat([tag, contents[wireType] ?? Buffer.alloc(0)]);
  });
const name = fc.string({ unit: 'grapheme', maxLength: 12 });
const repositoryFields = fc.oneof(
  fc
    .tuple(fc.constantFrom(2, 3, 4, 5, 6, 8), name)
    .map(([number, text]) => encodeStringField(number, text)),
  unknownField,
);
const repositoryPart = fc.array(repositoryFields, { maxLength: 5 });
const poolPart = fc.array(
  fc.oneof(
    repositoryPart.map((parts) => messageField(1, parts)),
    unknownField,
  ),
  { maxLength: 3 },
);
/** `object_pool = 1`, `origin = 2`, each in any number of pieces and in any order. */
const requestFields = fc.array(
  fc.oneof(
    repositoryPart.map((parts) => messageField(2, parts)),
    poolPart.map((parts) => messageField(1, parts)),
    unknownField,
  ),
  { maxLength: 6 },
);

interface Leaf {
  readonly where: string;
  readonly bytes: string;
}

/** Every field but the Repositories themselves, with the way to it, in order. */
function leaves(bytes: Buffer, inner: Readonly<Record<string, string>>, where: string): Leaf[] {
  const found: Leaf[] = [];
  const fields = new FieldCursor(bytes, 0, bytes.length);
  while (fields.next()) {
    const way = `${where}.${fields.number}`;
    if (inner[way] !== undefined && fields.wireType === lengthDelimited) {
      found.push(...leaves(bytes.subarray(fields.contentStart, fields.end), inner, way));
    } else {
      found.push({ where: way, bytes: bytes.toString('hex', fields.start, fields.end) });
    }
  }
  return found;
}

function isName({ where }: Leaf): boolean {
  return ['.2.2', '.2.3', '.1.1.2', '.1.1.3'].includes(where);
}

/** What protobuf-es makes of it; undefined if it refuses it, which it does where we need not look. */
function decodePool(bytes: Buffer) {
  try {
    return fromBinary(CreateObjectPoolRequestSchema, new Uint8Array(bytes));
  } catch {
    return undefined;
  }
}

const messagesInside = { '.1': 'ObjectPool', '.1.1': 'Repository', '.2': 'Repository' };

describe('the first message, in any pieces', () => {
  test('is read as a protobuf decoder reads it', () => {
    fc.assert(
      fc.property(requestFields, (parts) => {
        const bytes = Buffer.concat(parts);
        const decoded = fromBinary(CreateObjectPoolRequestSchema, new Uint8Array(bytes));
        const pool = decoded.objectPool?.repository;
        const origin = decoded.origin;
        const expected =
          pool === undefined
            ? { kind: 'missing' }
            : {
                kind: 'ok',
                storage: pool.storageName,
                relativePath: pool.relativePath,
                ...(pool.gitObjectDirectory !== '' && { quarantine: pool.gitObjectDirectory }),
                ...(origin === undefined
                  ? {}
                  : {
                      additional: {
                        storage: origin.storageName,
                        relativePath: origin.relativePath,
                      },
                    }),
              };
        expect(readTarget(bytes, createPool)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test('keeps every other field, known or not, byte for byte and in order', () => {
    fc.assert(
      fc.property(requestFields, (parts) => {
        const bytes = Buffer.concat(parts);
        const before = leaves(bytes, messagesInside, '');
        const rewritten = rewriteRepository(bytes, createPool, target, additional, 0);
        const after = leaves(rewritten, messagesInside, '');
        const kept = (all: readonly Leaf[]) => all.filter((leaf) => !isName(leaf));
        expect(kept(after)).toEqual(kept(before));
        const decoded = fromBinary(CreateObjectPoolRequestSchema, new Uint8Array(rewritten));
        const original = fromBinary(CreateObjectPoolRequestSchema, new Uint8Array(bytes));
        const named = (there: unknown, { storage, relativePath }: typeof target) =>
          there === undefined
            ? undefined
            : expect.objectContaining({ storageName: storage, relativePath });
        expect(decoded.objectPool?.repository).toEqual(
          named(original.objectPool?.repository, target),
        );
        expect(decoded.origin).toEqual(named(original.origin, additional));
      }),
      { numRuns: 500 },
    );
  });

  test('keeps the second repository when there is no replacement for it', () => {
    const bytes = Buffer.concat([
      messageField(2, [encodeStringField(2, 'default'), encodeStringField(3, 'a.git')]),
      messageField(1, [messageField(1, [])]),
    ]);
    const rewritten = rewriteRepository(bytes, createPool, target, undefined, 0);
    expect(readTarget(rewritten, createPool)).toEqual({
      kind: 'ok',
      ...target,
      additional: { storage: 'default', relativePath: 'a.git' },
    });
  });
});

describe('a damaged first message', () => {
  test('is refused, or read as a protobuf decoder reads it; and what is read can be replaced', () => {
    const valid = requestFields.map((parts) => Buffer.concat(parts));
    fc.assert(
      fc.property(damaged(valid), (bytes) => {
        const outcome = readTarget(bytes, createPool);
        if (outcome.kind !== 'ok') return;
        const rewritten = rewriteRepository(bytes, createPool, target, additional, 0);
        expect(readTarget(rewritten, createPool)).toMatchObject({ kind: 'ok', ...target });
        const decoded = decodePool(bytes);
        if (decoded === undefined) return;
        const { storageName, relativePath } = decoded.objectPool?.repository ?? {};
        expect(outcome).toMatchObject({ storage: storageName, relativePath });
      }),
      { numRuns: 1000 },
    );
  });

  test('is refused where numbers or fields run over the end, at every cut', () => {
    const request = messageField(1, [
      encodeStringField(2, 'default'),
      encodeStringField(3, 'a.git'),
      Buffer.from([0x80 | 0x20, 0x06, 0xff, 0x01]), // field 100, varint
    ]);
    for (let length = 1; length < request.length; length += 1) {
      expect(readTarget(request.subarray(0, length), writeRef).kind).toBe('malformed');
    }
    expect(readTarget(request, writeRef).kind).toBe('ok');
  });

  test.each([
    ['field number 0', '0200'],
    ['a group', '0b0c'],
    ['an unknown wire type', '0e00'],
    ['a tag without an end', 'ffffffffffffffffffff'],
    ['a length without an end', '0affffffffffffffffffff01'],
    ['a length of 2^63', '0a80808080808080808001'],
    ['a field number beyond 2^29', 'faffffff7f00'],
  ])('is refused for %s', (_what, hex) => {
    expect(readTarget(Buffer.from(hex, 'hex'), writeRef).kind).toBe('malformed');
  });

  test('may name fields with another type, which a decoder does not know either', () => {
    // Field 2 of the Repository as a number.
    const request = messageField(1, [Buffer.from([0x10, 5]), encodeStringField(3, 'a.git')]);
    expect(readTarget(request, writeRef)).toEqual({
      kind: 'ok',
      storage: '',
      relativePath: 'a.git',
    });
    const rewritten = rewriteRepository(request, writeRef, target, undefined, 0);
    const inner = leaves(rewritten, { '.1': 'Repository' }, '');
    expect(inner.map((leaf) => leaf.bytes)).toContain('1005');
  });
});

test('a Repository without names gets them', () => {
  const rewritten = rewriteRepository(messageField(1, []), writeRef, target, undefined, 0);
  const decoded = fromBinary(RepositorySchema, new Uint8Array(rewritten.subarray(2)));
  expect(decoded).toMatchObject({
    storageName: target.storage,
    relativePath: target.relativePath,
  });
});
