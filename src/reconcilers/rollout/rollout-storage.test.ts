import { expect, test } from '@jest/globals';
import { storage } from '../../../test/support/group-requests.ts';
import { fc } from '../../../test/support/properties.ts';
import { inOrderOfPreference } from './rollout-storage.ts';

test('disrupted storages go first, then those with fewer primaries, then by name', () => {
  const inOrder = [
    storage('d', { disrupted: true, primaries: 1 }),
    storage('a', { disrupted: true, primaries: 2 }),
    storage('z', { primaries: 0 }),
    storage('y', { primaries: 3, virtualStorage: 'archive' }),
    storage('b', { primaries: 3 }),
    storage('c', { primaries: 3 }),
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray(inOrder), (storages) => {
      expect(inOrderOfPreference(storages)).toEqual(
        inOrder.filter((one) => storages.includes(one)),
      );
    }),
  );
});
