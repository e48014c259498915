import { describe, expect, test } from '@jest/globals';
import { PlacementsBuilder } from './placements.ts';

describe('placements', () => {
  test('are put one behind the other', () => {
    const builder = new PlacementsBuilder();
    builder.add([2, 0, 1], 7, 'a.git');
    builder.add([], 1, 'b.git');
    builder.add([3], 4_000_000_000, 'c.git');
    const { examples, ...numbers } = builder.build();
    expect(numbers).toEqual({
      offsets: Uint32Array.of(0, 3, 3, 4),
      members: Uint32Array.of(2, 0, 1, 3),
      repositories: Uint32Array.of(7, 1, 4_000_000_000),
    });
    expect([0, 1, 2, 3].map((set) => examples.at(set))).toEqual([
      'a.git',
      'b.git',
      'c.git',
      undefined,
    ]);
  });

  test('tell how much memory they need', () => {
    const builder = new PlacementsBuilder();
    const before = builder.byteLength;
    builder.add([2, 0, 1], 7, 'a.git');
    expect(builder.byteLength - before).toBe(4 * (1 + 3 + 1 + 1) + 'a.git'.length);
  });

  test('may be many', () => {
    const builder = new PlacementsBuilder();
    for (let set = 0; set < 5000; set++) builder.add([set, set + 1], set + 1, `${set}.git`);
    const { offsets, members, repositories } = builder.build();
    expect([offsets.length, members.length, repositories.length]).toEqual([5001, 10_000, 5000]);
    expect([...members.subarray(offsets[4999], offsets[5000])]).toEqual([4999, 5000]);
  });

  test.each([[[1, 1]], [[-1]], [[0.5]], [[2 ** 32]], [[Number.NaN]]])(
    'are refused on storages %p',
    (members) => {
      expect(() => new PlacementsBuilder().add(members, 1, 'a.git')).toThrow(RangeError);
    },
  );

  test.each([0, -1, 1.5, 2 ** 32])('are refused of %p repositories', (repositories) => {
    expect(() => new PlacementsBuilder().add([0], repositories, 'a.git')).toThrow(RangeError);
  });
});
