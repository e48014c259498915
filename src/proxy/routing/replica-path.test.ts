import { createHash } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { isPoolPath, poolIdOf, replicaPath } from './replica-path.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest();

it.each([
  [1n, '@cluster/repositories/6b/86/1'],
  [2n, '@cluster/repositories/d4/73/2'],
  [54_771n, '@cluster/repositories/6f/96/54771'],
])('puts repository %s where Praefect does', (id, path) => {
  expect(replicaPath(id, '@hashed/aa/bb/x.git', sha256)).toBe(path);
});

it('puts object pools apart', () => {
  const name = `abcd${'0'.repeat(60)}`;
  expect(replicaPath(1n, `@pools/ab/cd/${name}.git`, sha256)).toBe('@cluster/pools/6b/86/1');
  expect(isPoolPath(`@pools/ab/ce/${name}.git`)).toBe(false);
});

it('finds the id of an object pool in its path, and none in other paths', () => {
  expect(poolIdOf('@cluster/pools/6b/86/1')).toBe(1n);
  expect(poolIdOf('@cluster/pools/d5/9e/9007199254740993')).toBe(9_007_199_254_740_993n);
  for (const path of ['@cluster/repositories/6b/86/1', '@cluster/pools/6b/86/x', '@pools/6b/1']) {
    expect(poolIdOf(path)).toBeUndefined();
  }
});
