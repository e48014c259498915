import { createHash } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { isPoolPath, replicaPath } from './replica-path.ts';

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
