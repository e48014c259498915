import { describe, expect, test } from '@jest/globals';
import { race, useStores, type Harness } from './support.ts';

/** The promises of storages' identities. Each test has storages of its own: the data is shared. */
export function describeIdentities(harness: Harness): void {
  const open = useStores(harness);

  describe('the identity of a storage', () => {
    test('is unknown at first, and seen by every proxy once it is recorded', async () => {
      const store = await open();
      const key = { virtualStorage: 'default', storage: 'first' };
      expect(await store.getIdentity(key)).toBeUndefined();
      expect(await store.putIdentity({ ...key, filesystemId: 'one', version: 0n })).toBe(true);
      const other = await open();
      expect(await other.getIdentity(key)).toEqual({ ...key, filesystemId: 'one', version: 1n });
      expect(await other.getIdentity({ ...key, virtualStorage: 'other' })).toBeUndefined();
    });

    test('is recorded once, by whichever proxy comes first', async () => {
      const stores = [await open(), await open()];
      const key = { virtualStorage: 'default', storage: 'raced' };
      const put = await race(stores, 3, (store, index) =>
        store.putIdentity({ ...key, filesystemId: `id-${index}`, version: 0n }),
      );
      expect(put.filter((isFirst) => isFirst)).toHaveLength(1);
      expect(await stores[0]?.getIdentity(key)).toEqual({
        ...key,
        filesystemId: `id-${put.indexOf(true)}`,
        version: 1n,
      });
    });

    test('changes only if nobody else has changed it', async () => {
      const store = await open();
      const key = { virtualStorage: 'default', storage: 'swapped' };
      await store.putIdentity({ ...key, filesystemId: 'one', version: 0n });
      const noted = { ...key, filesystemId: 'one', replacement: 'two', version: 1n };
      expect(await store.putIdentity(noted)).toBe(true);
      expect(await store.putIdentity(noted)).toBe(false);
      expect(await store.getIdentity(key)).toEqual({ ...noted, version: 2n });
      expect(await store.putIdentity({ ...key, filesystemId: 'two', version: 2n })).toBe(true);
      expect(await store.getIdentity(key)).toEqual({ ...key, filesystemId: 'two', version: 3n });
    });
  });
}
