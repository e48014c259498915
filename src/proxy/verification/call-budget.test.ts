import { describe, expect, it } from '@jest/globals';
import { CallBudget } from './call-budget.ts';

describe('a budget of calls', () => {
  it('lets the first call go at once, and no storage have more than its share', () => {
    const budget = new CallBudget();
    expect(budget.book(['a', 'b'], 2, 10, 1000)).toBe(0);
    expect(budget.book(['a'], 2, 10, 1000)).toBe(200);
    expect(budget.book(['b', 'c'], 2, 10, 1000)).toBe(200);
    expect(budget.book(['a', 'c'], 2, 10, 1100)).toBe(300);
  });

  it('saves nothing up', () => {
    const budget = new CallBudget();
    budget.book(['a'], 1, 10, 0);
    expect(budget.book(['a'], 1, 10, 60_000)).toBe(0);
    expect(budget.book(['a'], 1, 10, 60_000)).toBe(100);
  });
});
