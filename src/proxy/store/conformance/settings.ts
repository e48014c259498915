import { describe, expect, test } from '@jest/globals';
import type { ControlStore } from '../control-store.ts';
import type { StorageSettings } from '../storage-settings.ts';
import { race, useStores, type Harness } from './support.ts';

/** The promises of what is said of storages. Each test has a virtual storage of its own: the data is shared. */
export function describeSettings(harness: Harness): void {
  describeSetting(harness, 'weights', ({ weights }) => weights, [50, 0, 7]);
  describeSetting(harness, 'zones', ({ zones }) => zones, ['europe-west1-b', 'b', 'a']);
}

function describeSetting<T>(
  harness: Harness,
  name: string,
  settingsOf: (store: ControlStore) => StorageSettings<T>,
  [first, second, third]: readonly [T, T, T],
): void {
  const open = useStores(harness);

  async function setUp(test: string) {
    const virtualStorage = `${name}-${test}`;
    const [settings, others] = [settingsOf(await open()), settingsOf(await open())];
    const seen = async () =>
      (await others.list())
        .filter((setting) => setting.virtualStorage === virtualStorage)
        .toSorted((a, b) => (a.storage < b.storage ? -1 : 1));
    const one = { virtualStorage, storage: 'gitaly-0' };
    return { settings, seen, one, other: { virtualStorage, storage: 'gitaly-1' } };
  }

  describe(`the ${name} of storages`, () => {
    test('are for every proxy what was set last', async () => {
      const { settings, seen, one, other } = await setUp('set');
      expect(await seen()).toEqual([]);
      await settings.set(one, first);
      await settings.set(other, second);
      expect(await seen()).toEqual([
        { ...one, value: first },
        { ...other, value: second },
      ]);
      await settings.set(one, third);
      expect(await seen()).toEqual([
        { ...one, value: third },
        { ...other, value: second },
      ]);
    });

    test('can be forgotten', async () => {
      const { settings, seen, one, other } = await setUp('forgotten');
      await settings.set(one, first);
      await settings.set(other, second);
      await settings.set(one, undefined);
      await settings.set(one, undefined);
      expect(await seen()).toEqual([{ ...other, value: second }]);
    });

    test('may be set by several at the same time', async () => {
      const { seen, one } = await setUp('race');
      await race([await open(), await open()], 3, (store) => settingsOf(store).set(one, third));
      expect(await seen()).toEqual([{ ...one, value: third }]);
    });
  });
}
