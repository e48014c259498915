import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { placementWeights, typicalWeight, type WeighedStorage } from './placement-weight.ts';

const gib = 2 ** 30;

function storage(name: string, parts: Partial<WeighedStorage> = {}): WeighedStorage {
  return { name, configuredWeight: 'auto', disk: undefined, ...parts };
}

function weightsOf(...storages: readonly WeighedStorage[]): Record<string, number> {
  const weights = [...placementWeights(storages)];
  return Object.fromEntries(weights.map(([name, { weight }]) => [name, Math.round(weight)]));
}

/** A disk of 100 GiB, of which 5 GiB are kept free. */
const disk = (freeGib: number) => ({ freeBytes: freeGib * gib, totalBytes: 100 * gib });

const anyDisk = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 44 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([totalBytes, share]) => ({ totalBytes, freeBytes: Math.floor(totalBytes * share) }));
const anyStorages: fc.Arbitrary<readonly WeighedStorage[]> = fc
  .array(
    fc.record({
      configuredWeight: fc.oneof(fc.constant('auto' as const), fc.nat({ max: 1000 })),
      disk: fc.option(anyDisk, { nil: undefined }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((all) => all.map((parts, index) => ({ name: `gitaly-${index}`, ...parts })));

describe('the weight of a storage', () => {
  it('is its room above what is kept free, beside the median', () => {
    const storages = [storage('a', { disk: disk(15) }), storage('b', { disk: disk(25) })];
    expect(weightsOf(...storages, storage('c', { disk: disk(65) }))).toEqual({
      a: 50,
      b: 100,
      c: 300,
    });
    expect(weightsOf(...storages)).toEqual({ a: 67, b: 133 });
  });

  it('is typical where nobody knows the disk', () => {
    expect(weightsOf(storage('a'), storage('b'))).toEqual({ a: 100, b: 100 });
    expect(weightsOf(storage('a'), storage('b', { disk: disk(15) }))).toEqual({ a: 100, b: 100 });
  });

  it('is what people have set, beside which the others weigh as they do without it', () => {
    const byHand = storage('c', { configuredWeight: 40, disk: disk(90) });
    const storages = [storage('a', { disk: disk(15) }), storage('b', { disk: disk(35) })];
    expect(weightsOf(...storages, byHand)).toEqual({ a: 50, b: 150, c: 40 });
  });

  it('is nothing for a full disk, whatever people have set', () => {
    const full = storage('b', { configuredWeight: 40, disk: disk(5) });
    const weights = placementWeights([storage('a', { disk: disk(15) }), full]);
    expect(weights.get('b')).toEqual({ weight: 0, isFull: true });
    expect(weights.get('a')).toEqual({ weight: 100, isFull: false });
  });

  it('is a finite number of 0 or more, and 0 only for full ones and where people have set it', () => {
    fc.assert(
      fc.property(anyStorages, (storages) => {
        const weights = placementWeights(storages);
        expect(weights.size).toBe(storages.length);
        for (const { name, configuredWeight } of storages) {
          const { weight = Number.NaN, isFull } = weights.get(name) ?? {};
          expect(Number.isFinite(weight)).toBe(true);
          expect(weight).toBeGreaterThanOrEqual(0);
          expect(weight === 0).toBe(isFull || configuredWeight === 0);
        }
      }),
    );
  });

  it('grows with the free space', () => {
    fc.assert(
      fc.property(anyStorages, anyDisk, (storages, roomy) => {
        const last = { ...roomy, freeBytes: roomy.totalBytes };
        const weights = placementWeights([...storages, storage('empty', { disk: last })]);
        const alike = storages.filter(
          (it) =>
            it.configuredWeight === 'auto' && it.disk && it.disk.totalBytes <= last.totalBytes,
        );
        for (const { name } of alike) {
          expect(weights.get(name)?.weight).toBeLessThanOrEqual(
            (weights.get('empty')?.weight ?? 0) * (1 + 1e-9),
          );
        }
      }),
    );
  });

  it('has the median of the free disks as typical', () => {
    fc.assert(
      fc.property(fc.array(anyDisk, { minLength: 1, maxLength: 9 }), (disks) => {
        const storages = disks.map((each, index) => storage(`gitaly-${index}`, { disk: each }));
        const weights = [...placementWeights(storages).values()].filter(({ isFull }) => !isFull);
        if (weights.length % 2 === 0) return;
        const above = weights.filter(({ weight }) => weight > typicalWeight * (1 + 1e-9)).length;
        const below = weights.filter(({ weight }) => weight < typicalWeight * (1 - 1e-9)).length;
        expect(Math.max(above, below)).toBeLessThanOrEqual((weights.length - 1) / 2);
      }),
    );
  });
});
