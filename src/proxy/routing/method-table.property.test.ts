import { describe, expect, test } from '@jest/globals';
import { encodeStringField, encodeVarint } from '../../../test/support/encode-protobuf.ts';
import { fc } from '../../../test/support/properties.ts';
import { methodRows, type MethodRow } from './conformance/method-rows.ts';
import { readTarget, rewriteRepository } from './first-message.ts';
import { lookupMethod } from './method-table.ts';
import { lengthDelimited } from './protobuf-fields.ts';

const target = { storage: 'gitaly-2', relativePath: '@cluster/repositories/6b/86/1' };
const additional = { storage: 'gitaly-2', relativePath: '@cluster/repositories/d4/73/2' };

interface Names {
  readonly storage: string;
  readonly relativePath: string;
}

/** What stands beside the names in the messages of a request. */
interface Surroundings {
  /** Before and behind what matters, on each level. */
  readonly before: Buffer;
  readonly behind: Buffer;
  /** The quarantine folder of each Repository; empty: it names none. */
  readonly quarantine: string;
  /** The other fields of each Repository: GitLab's names, what a newer Gitaly may add. */
  readonly repository: Buffer;
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const names: fc.Arbitrary<Names> = fc.record({ storage: text, relativePath: text });
const fieldsWith = (...numbers: readonly number[]) =>
  fc
    .array(
      fc
        .tuple(fc.constantFrom(...numbers), text)
        .map(([number, it]) => encodeStringField(number, it)),
      { maxLength: 4 },
    )
    .map((fields) => Buffer.concat(fields));
const surroundings: fc.Arbitrary<Surroundings> = fc.record({
  before: fieldsWith(100, 101, 5000),
  behind: fieldsWith(102, 70_000),
  quarantine: fc.oneof(fc.constant(''), text),
  repository: fieldsWith(1, 5, 6, 7, 8, 90),
});

/** A request of that method, with the names first in each Repository. */
function requestOf(
  { target: path, additional: other }: MethodRow,
  { before, behind, quarantine, repository }: Surroundings,
  one: Names,
  two: Names,
): Buffer {
  const wrap = ([field, ...rest]: readonly number[], { storage, relativePath }: Names): Buffer => {
    if (field === undefined) {
      return Buffer.concat([
        encodeStringField(2, storage),
        encodeStringField(3, relativePath),
        ...(quarantine === '' ? [] : [encodeStringField(4, quarantine)]),
        repository,
      ]);
    }
    const content = wrap(rest, { storage, relativePath });
    const head = [encodeVarint(field * 8 + lengthDelimited), encodeVarint(content.length)];
    return Buffer.concat([before, ...head, content, behind]);
  };
  const parts = [wrap(path ?? [], one)];
  if (other !== undefined) parts.push(wrap(other, two));
  return Buffer.concat(parts);
}

describe('a request that is forwarded', () => {
  const forwarded = methodRows.filter(({ target: path }) => path !== undefined);

  test.each(forwarded)('to $name gets new names, and keeps every other byte', (row) => {
    const method = lookupMethod(`/gitaly.${row.name}`);
    const hasAdditional = row.additional !== undefined;
    fc.assert(
      fc.property(surroundings, names, names, (around, one, two) => {
        const request = requestOf(row, around, one, two);
        const { quarantine } = around;
        expect(readTarget(request, method)).toEqual({
          kind: 'ok',
          ...one,
          ...(quarantine !== '' && { quarantine }),
          ...(hasAdditional && { additional: two }),
        });
        const rewritten = rewriteRepository(request, method, target, additional, 0);
        expect(rewritten).toEqual(requestOf(row, around, target, additional));
      }),
      { numRuns: 30 },
    );
  });

  const aboutStorages = methodRows.filter(
    ({ scope, storageField }) => scope === 'storage' && storageField !== undefined,
  );

  test.each(aboutStorages)('to $name gets a new storage, and keeps every other byte', (row) => {
    const method = lookupMethod(`/gitaly.${row.name}`);
    const field = row.storageField ?? 0;
    fc.assert(
      fc.property(surroundings, text, ({ before, behind }, storage) => {
        const request = Buffer.concat([before, encodeStringField(field, storage), behind]);
        expect(readTarget(request, method)).toEqual({ kind: 'ok', storage, relativePath: '' });
        expect(rewriteRepository(request, method, target, undefined, 0)).toEqual(
          Buffer.concat([encodeStringField(field, target.storage), before, behind]),
        );
      }),
      { numRuns: 30 },
    );
  });
});
