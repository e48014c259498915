import { describe, expect, test } from '@jest/globals';
import { checksumOf } from './checksum.ts';

const seed = [
  'e0664bf1583033b1ef8ff06e3057a3e6dc54cbf3 HEAD',
  '586739e99622a6347ba42bd1c84b8cafcc0792bf refs/heads/conflict',
  '685565440ca9cae11c40a522d810643a2f29b73a refs/heads/feature',
  'e0664bf1583033b1ef8ff06e3057a3e6dc54cbf3 refs/heads/main',
  '08625a4cf362c1665733cafc505534dae9a596d4 refs/tags/v1',
];

describe('the checksum of references', () => {
  test('equals the one that a real Gitaly gave for the same references', () => {
    expect(checksumOf(seed)).toBe('c532c655034151ebee95ad5f4edc8d2e80bda8c2');
  });

  test('does not depend on the order', () => {
    expect(checksumOf(seed.toReversed())).toBe(checksumOf(seed));
  });

  test('is all zeros without references', () => {
    expect(checksumOf([])).toBe('0'.repeat(40));
  });

  test('ignores references that Gitaly does not count', () => {
    const more = [...seed, 'e0664bf1583033b1ef8ff06e3057a3e6dc54cbf3 refs/pipelines/1'];
    expect(checksumOf(more)).toBe(checksumOf(seed));
  });

  test('changes with a reference that is counted', () => {
    const more = [...seed, 'e0664bf1583033b1ef8ff06e3057a3e6dc54cbf3 refs/keep-around/1'];
    expect(checksumOf(more)).not.toBe(checksumOf(seed));
  });
});
