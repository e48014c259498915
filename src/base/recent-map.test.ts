import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { RecentMap } from './recent-map.ts';

const key = fc.nat({ max: 12 });
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key }),
  fc.record({ kind: fc.constant('get' as const), key }),
  fc.record({ kind: fc.constant('delete' as const), key }),
);

describe('a map of what was used lately', () => {
  test('holds the half of its limit that was used last, and never more than its limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.array(step), (limit, steps) => {
        const map = new RecentMap<number, { readonly step: number }>(limit);
        /** In the order of use, the last one last. */
        const used = new Map<number, { readonly step: number }>();
        for (const [index, { kind, key }] of steps.entries()) {
          const known = used.get(key);
          if (kind === 'delete') {
            map.delete(key);
            used.delete(key);
          } else if (kind === 'set') {
            const value = { step: index };
            map.set(key, value);
            used.delete(key);
            used.set(key, value);
          } else {
            const found = map.get(key);
            if (found !== undefined) {
              expect(found).toBe(known);
              used.delete(key);
              used.set(key, found);
            }
          }
          const half = Math.floor(limit / 2);
          const last = [...used.keys()].slice(used.size - Math.min(half, used.size));
          for (const each of last) expect(map.has(each)).toBe(true);
          const held = [...used.keys()].filter((each) => map.has(each));
          expect(held.length).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });

  test('forgets everything when it is told to', () => {
    const map = new RecentMap<string, object>(4);
    for (const key of ['a', 'b', 'c', 'd']) map.set(key, {});
    map.clear();
    expect(['a', 'b', 'c', 'd'].some((key) => map.has(key))).toBe(false);
  });
});
