import { expect, test } from '@jest/globals';
import { recordWith } from '../../../test/support/repository-records.ts';
import type { ListQuery } from '../store/control-store.ts';
import { allRepositories } from './all-repositories.ts';

/** A store with records 1 to `count`, which notes what it is asked. */
function storeOf(count: number) {
  const asked: ListQuery[] = [];
  const list = async (query: ListQuery) => {
    asked.push(query);
    const first = Number(query.afterId) + 1;
    const length = Math.max(0, Math.min(query.limit, count - first + 1));
    return Array.from({ length }, (_, index) => recordWith({ id: BigInt(first + index) }));
  };
  return { list, asked };
}

test.each([0, 1, 499, 500, 501, 1234])(
  'all of %i repositories are listed, in order',
  async (count) => {
    const ids: bigint[] = [];
    for await (const { id } of allRepositories(storeOf(count), {})) ids.push(id);
    expect(ids).toEqual(Array.from({ length: count }, (_, index) => BigInt(index + 1)));
  },
);

test('no page is asked for before it is needed, and each with the filter', async () => {
  const store = storeOf(2000);
  let seen = 0;
  for await (const _ of allRepositories(store, {
    virtualStorage: 'default',
    onlyUnsettled: true,
  })) {
    seen += 1;
    if (seen === 501) break;
  }
  const filter = { virtualStorage: 'default', onlyUnsettled: true, limit: 500 };
  expect(store.asked).toEqual([
    { ...filter, afterId: 0n },
    { ...filter, afterId: 500n },
  ]);
});
