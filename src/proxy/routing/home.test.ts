import { describe, expect, it } from '@jest/globals';
import { recordWith, replica } from '../../../test/support/repository-records.ts';
import { homeOf } from './home.ts';

const repositories = Array.from({ length: 3000 }, (_, index) =>
  recordWith({ id: BigInt(index + 1) }),
);

describe('the home of a primary', () => {
  it('is each storage for its share of the repositories', () => {
    for (const storage of ['a', 'b', 'c']) {
      const share = repositories.filter((record) => homeOf(record) === storage).length;
      expect(Math.abs(share - 1000)).toBeLessThan(150);
    }
  });

  it('is no storage that the repository leaves', () => {
    const replicas = [replica('a', 5n), replica('b', 5n, 'leaving'), replica('c', 5n, 'leaving')];
    for (const { id } of repositories) expect(homeOf({ id, replicas })).toBe('a');
  });

  it('is no storage from which a replica moves', () => {
    const replicas = [replica('a', 5n), { ...replica('b', 5n), replaces: 'a' }];
    for (const { id } of repositories) expect(homeOf({ id, replicas })).toBe('b');
  });

  it('is the same wherever its replicas are listed', () => {
    for (const { id, replicas } of repositories) {
      expect(homeOf({ id, replicas: replicas.toReversed() })).toBe(homeOf({ id, replicas }));
    }
  });
});
