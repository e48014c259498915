import { describe, expect, test } from '@jest/globals';
import { create, type MessageInitShape } from '@bufbuild/protobuf';

import { ListPlacementsResponseSchema } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { readPlacements } from './placement-list.ts';

type Part = MessageInitShape<typeof ListPlacementsResponseSchema>;

async function* stream(parts: readonly Part[]) {
  for (const part of parts) yield create(ListPlacementsResponseSchema, part);
}

async function read(...parts: readonly Part[]) {
  const all = [];
  for await (const placed of readPlacements(stream(parts))) all.push(placed);
  return all;
}

describe('the list of placements', () => {
  test('names storages once for all parts', async () => {
    const first = { storages: ['a', 'b'], sizes: [2, 1], members: [0, 1, 1] };
    const second = { storages: ['c'], sizes: [2], members: [0, 2] };
    expect(
      await read(
        { ...first, repositories: [5, 1], examples: ['p', 'q'] },
        { ...second, repositories: [7], examples: ['r'] },
      ),
    ).toEqual([
      { storages: ['a', 'b'], repositories: 5, example: 'p' },
      { storages: ['b'], repositories: 1, example: 'q' },
      { storages: ['a', 'c'], repositories: 7, example: 'r' },
    ]);
    expect(await read({})).toEqual([]);
  });

  test.each<[string, Part]>([
    ['a member without a name', { members: [3] }],
    ['too few members', { members: [] }],
    ['a set without members', { sizes: [0] }],
    ['a set without a count', { repositories: [] }],
    ['a set without an example', { examples: [] }],
  ])('is refused with %s', async (_, damage) => {
    const sound = { storages: ['a'], sizes: [1], members: [0], repositories: [1], examples: ['p'] };
    await expect(read(sound)).resolves.toHaveLength(1);
    await expect(read({ ...sound, ...damage })).rejects.toThrow('damaged');
  });
});
