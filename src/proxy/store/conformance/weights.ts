import { describe, expect, test } from '@jest/globals';
import { race, useStores, type Harness } from './support.ts';

/** The promises of the table of weights. Each test has a virtual storage of its own: the data is shared. */
export function describeWeights(harness: Harness): void {
  const open = useStores(harness);

  async function setUp(virtualStorage: string) {
    const [{ weights }, { weights: others }] = [await open(), await open()];
    const seen = async () =>
      (await others.list())
        .filter((weight) => weight.virtualStorage === virtualStorage)
        .toSorted((a, b) => (a.storage < b.storage ? -1 : 1));
    const one = { virtualStorage, storage: 'gitaly-0' };
    return { weights, seen, one, other: { virtualStorage, storage: 'gitaly-1' } };
  }

  describe('the table of weights', () => {
    test('shows every proxy what was set last, zero too', async () => {
      const { weights, seen, one, other } = await setUp('weights-set');
      expect(await seen()).toEqual([]);
      await weights.set(one, 50);
      await weights.set(other, 0);
      expect(await seen()).toEqual([
        { ...one, weight: 50 },
        { ...other, weight: 0 },
      ]);
      await weights.set(one, 7);
      expect(await seen()).toEqual([
        { ...one, weight: 7 },
        { ...other, weight: 0 },
      ]);
    });

    test('forgets what was set where the free space is to decide', async () => {
      const { weights, seen, one, other } = await setUp('weights-auto');
      await weights.set(one, 50);
      await weights.set(other, 60);
      await weights.set(one, 'auto');
      await weights.set(one, 'auto');
      expect(await seen()).toEqual([{ ...other, weight: 60 }]);
    });

    test('takes what several set at the same time', async () => {
      const { seen, one } = await setUp('weights-race');
      await race([await open(), await open()], 3, (store) => store.weights.set(one, 20));
      expect(await seen()).toEqual([{ ...one, weight: 20 }]);
    });
  });
}
