import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { NumberMap } from './number-map.ts';

const key = fc.oneof(fc.nat({ max: 40 }), fc.maxSafeNat());
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key }),
  fc.record({ kind: fc.constant('delete' as const), key }),
);

describe('a map from numbers', () => {
  test('holds what a Map would hold', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const map = new NumberMap<{ readonly step: number }>();
        const model = new Map<number, { readonly step: number }>();
        for (const [index, { kind, key }] of steps.entries()) {
          if (kind === 'set') {
            map.set(key, { step: index });
            model.set(key, { step: index });
          } else expect(map.delete(key)).toBe(model.delete(key));
          expect(map.size).toBe(model.size);
          expect(map.get(key)).toEqual(model.get(key));
        }
        for (const [key, value] of model) expect(map.get(key)).toEqual(value);
        const order = (a: { step: number }, b: { step: number }) => a.step - b.step;
        expect(map.values().toSorted(order)).toEqual([...model.values()].toSorted(order));
      }),
    );
  });

  test('holds many entries, and lets go of them in any order', () => {
    const map = new NumberMap<{ readonly id: number }>();
    for (let id = 1; id < 20_001; id += 2) map.set(id, { id });
    expect(map.size).toBe(10_000);
    for (let id = 1; id < 20_001; id += 2) if (id % 3 !== 0) expect(map.delete(id)).toBe(true);
    for (let id = 1; id < 20_001; id += 2) {
      expect(map.get(id)).toEqual(id % 3 === 0 ? { id } : undefined);
    }
  });
});
