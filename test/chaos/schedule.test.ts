import { describe, expect, test } from '@jest/globals';
import { fc } from '../support/properties.ts';
import {
  describeFault,
  describeTarget,
  faultNames,
  wavesOf,
  type Surroundings,
  type Wave,
} from './schedule.ts';

const surroundings: Surroundings = { storages: 3, proxies: 2, nodes: 3 };

function waves(seed: number, count: number, where = surroundings): readonly Wave[] {
  const all: Wave[] = [];
  for (const wave of wavesOf(seed, where)) {
    all.push(wave);
    if (all.length === count) break;
  }
  return all;
}

const takesStorage = /^(storage|node)/;

describe('a schedule of faults', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(waves(7, 20)).toEqual(waves(7, 20));
    expect(waves(7, 20)).not.toEqual(waves(8, 20));
  });

  test('never hits the same twice at once, nor takes the power of two nodes', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        for (const { faults } of waves(seed, 20)) {
          const targets = faults.map(({ whom }) => describeTarget(whom));
          expect(new Set(targets).size).toBe(targets.length);
          expect(faults.filter(({ what }) => what === 'power off').length).toBeLessThan(2);
          expect(faults.length).toBeGreaterThan(1);
        }
      }),
    );
  });

  test('takes one storage away at most where writes have to go on', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        for (const { kind, faults } of waves(seed, 20)) {
          if (kind === 'rough') continue;
          const taken = faults.filter(({ whom }) => takesStorage.test(describeTarget(whom)));
          expect(taken.length).toBeLessThan(2);
        }
      }),
    );
  });

  test('comes to every kind of fault, and to all storages at once', () => {
    const all = waves(1, 300);
    const kinds = new Set(
      all.flatMap(({ faults }) => faults.map((it) => `${it.what} ${it.whom.kind}`)),
    );
    expect(kinds.size).toBe(6 - 1 + 5 - 1 + 2 + 4 + 3);
    const storagesHit = all.map(
      ({ faults }) => faults.filter(({ whom }) => whom.kind === 'storage').length,
    );
    expect(Math.max(...storagesHit)).toBe(3);
  });

  test('keeps to the faults that are asked for', () => {
    const only = ['cut off node', 'hang database'];
    const all = waves(1, 100, { ...surroundings, only }).flatMap(({ faults }) => faults);
    const struck = new Set(all.map(({ what, whom }) => `${what} ${whom.kind}`));
    expect([...struck].toSorted()).toEqual(only);
    expect(faultNames).toEqual(expect.arrayContaining(only));
  });

  test('leaves nodes alone that are not ours to break', () => {
    const all = waves(1, 100, { ...surroundings, nodes: 0 }).flatMap(({ faults }) => faults);
    expect(all.filter(({ whom }) => whom.kind === 'node')).toEqual([]);
  });
});

test('a fault is told in words', () => {
  const whom = { kind: 'storage', index: 1 } as const;
  expect(describeFault({ what: 'hang', whom, afterMs: 0, forMs: 3210 })).toBe(
    'hang storage 1 for 3.2 s',
  );
  expect(describeFault({ what: 'kill', whom: { kind: 'database' }, afterMs: 0, forMs: 0 })).toBe(
    'kill database',
  );
});
