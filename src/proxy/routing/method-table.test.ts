import { describe, expect, it, test } from '@jest/globals';
import { methodRows } from './conformance/method-rows.ts';
import { knownMethods, lookupMethod } from './method-table.ts';

describe('the method table', () => {
  it('has exactly the methods of Gitaly 18.9, each once', () => {
    const names = (rows: readonly { readonly name: string }[]) => rows.map(({ name }) => name);
    expect(methodRows).toHaveLength(168);
    expect(names(knownMethods).toSorted()).toEqual(
      names(methodRows)
        .map((name) => `/gitaly.${name}`)
        .toSorted(),
    );
  });

  test.each(methodRows)('says of $name what the protocol says', (row) => {
    const {
      name: _,
      creates,
      forcePrimary,
      answersForMissing,
      borrowsFromAdditional,
      answersOnce,
      transactional,
      ...method
    } = lookupMethod(`/gitaly.${row.name}`);
    expect({
      creates,
      forcePrimary,
      answersForMissing,
      borrowsFromAdditional,
      answersOnce,
      transactional,
      ...method,
    }).toEqual({
      op: row.op,
      scope: row.scope,
      ...(row.target && { target: row.target }),
      ...(row.additional && { additional: row.additional }),
      ...(row.forkedFrom && { forkedFrom: row.forkedFrom }),
      ...(row.storageField && { storageField: row.storageField }),
      creates: row.notes.has('upserts')
        ? 'upsert'
        : row.notes.has('creates')
          ? 'create'
          : undefined,
      forcePrimary: row.notes.has('primary') || undefined,
      answersForMissing: row.notes.has('missing') || undefined,
      borrowsFromAdditional: row.notes.has('borrows') || undefined,
      answersOnce: row.notes.has('once') || undefined,
      transactional: row.notes.has('votes'),
      known: true,
    });
  });

  it('knows where every call about a repository names it', () => {
    const without = knownMethods.filter(
      (method) => method.scope === 'repository' && method.target === undefined,
    );
    expect(without).toEqual([]);
  });

  it('takes a method that it does not know for a write to the repository at field 1', () => {
    expect(lookupMethod('/gitaly.NewService/NewMethod')).toMatchObject({
      op: 'mutator',
      target: [1],
      known: false,
    });
  });
});
