import { describe, expect, it } from '@jest/globals';
import { knownMethods, lookupMethod } from './method-table.ts';

/** How many methods there are of a kind. */
function count(op: string, scope: string): number {
  return knownMethods.filter((method) => method.op === op && method.scope === scope).length;
}

describe('the method table', () => {
  it('has every method of Gitaly 18.9 once', () => {
    expect(new Set(knownMethods.map((method) => method.name)).size).toBe(168);
    expect(knownMethods).toHaveLength(168);
  });

  it('classifies them as the protocol does', () => {
    expect(count('accessor', 'repository')).toBe(94);
    expect(count('mutator', 'repository')).toBe(45);
    expect(count('maintenance', 'repository')).toBe(2);
    expect(count('accessor', 'storage')).toBe(10);
    expect(count('mutator', 'storage')).toBe(4);
    expect(count('accessor', 'partition')).toBe(1);
    expect(count('intercepted', 'none')).toBe(12);
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
