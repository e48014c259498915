import { describe, expect, it } from '@jest/globals';
import { nodesOf, recordWith, replica } from '../../../test/support/repository-records.ts';
import { seededRandom } from '../../base/random.ts';
import { placeBeside, placeRepository } from './placement.ts';

const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
const all = nodesOf(['a', 'b', 'c']);

describe('a new repository', () => {
  it('begins elsewhere than on a storage that is being drained, which gets a replica all the same', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { b: { isDraining: true } });
    const placement = placeRepository(nodes, policy, seededRandom(1));
    expect(placement).toMatchObject({
      kind: 'place',
      voters: [expect.anything(), expect.anything(), 'b'],
    });
    const beside = placeBeside(recordWith({ primary: 'b' }), nodes, policy);
    expect(beside).toMatchObject({ kind: 'place', primary: 'a', voters: ['a', 'c', 'b'] });
  });

  it('is placed on any of the healthy storages, with any of them as primary', () => {
    const random = seededRandom(1);
    const nodes = nodesOf(['a', 'b', 'c', 'd']);
    const placements = Array.from({ length: 100 }, () => placeRepository(nodes, policy, random));
    const primaries = new Set(
      placements.map((it) => (it.kind === 'place' ? it.primary : it.reason)),
    );
    expect(primaries).toEqual(new Set(['a', 'b', 'c', 'd']));
  });

  it('gets the replicas that it lacks on storages that cannot be reached now', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { c: { healthy: false } });
    const placement = placeRepository(nodes, policy, seededRandom(1));
    expect(placement).toMatchObject({ kind: 'place', absent: ['c'] });
  });

  it('gets no replica on a storage that is decommissioned, not even an absent one', () => {
    const nodes = nodesOf(['a', 'b', 'c', 'd'], {
      c: { healthy: false },
      d: { isDecommissioned: true },
    });
    const route = placeRepository(nodes, policy, seededRandom(1));
    expect(route).toMatchObject({ kind: 'place', absent: ['c'] });
    expect(new Set(route.kind === 'place' ? route.voters : [])).toEqual(new Set(['a', 'b']));
    const tooFew = nodesOf(['a', 'b'], { b: { isDecommissioned: true } });
    expect(placeRepository(tooFew, policy, seededRandom(1))).toEqual({
      kind: 'unavailable',
      reason: 'a new repository needs 2 storages, and 1 of 1 can be reached',
    });
  });

  it('is refused with fewer storages than have to hold it', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { b: { healthy: false }, c: { healthy: false } });
    expect(placeRepository(nodes, policy, seededRandom(1))).toEqual({
      kind: 'unavailable',
      reason: 'a new repository needs 2 storages, and 1 of 3 can be reached',
    });
  });

  describe('where storages weigh differently', () => {
    /** How many of 2000 repositories with one replica go to each storage. */
    const placedOf = (unlike: Parameters<typeof nodesOf>[1]) => {
      const nodes = nodesOf(['a', 'b', 'c', 'd'], unlike);
      const random = seededRandom(1);
      const placed = Array.from({ length: 2000 }, () => {
        const one = { replicationFactor: 1, minInSyncReplicas: 1 };
        const placement = placeRepository(nodes, one, random);
        return placement.kind === 'place' ? placement.primary : placement.reason;
      });
      return (storage: string) => placed.filter((it) => it === storage).length;
    };

    it('goes where the weight is, in proportion', () => {
      const placed = placedOf({ a: { weight: 300 }, b: { weight: 50 }, c: { weight: 50 } });
      // 500 weigh four times a quarter each: 1200, 200, 200 and 400 are expected.
      expect(placed('a')).toBeGreaterThan(1100);
      expect(placed('a')).toBeLessThan(1300);
      expect(placed('b')).toBeGreaterThan(140);
      expect(placed('b')).toBeLessThan(260);
      expect(placed('d')).toBeGreaterThan(320);
      expect(placed('d')).toBeLessThan(480);
    });

    it('never goes to one that weighs nothing, nor to a full one, while there are enough others', () => {
      const placed = placedOf({ a: { weight: 0 }, b: { weight: 0, isFull: true } });
      expect([placed('a'), placed('b')]).toEqual([0, 0]);
      expect(placed('c') + placed('d')).toBe(2000);
    });

    it('goes to one that weighs nothing before it goes to a full one, and to that before it is refused', () => {
      const three = nodesOf(['a', 'b', 'c', 'd'], {
        a: { weight: 0, isFull: true },
        b: { weight: 0 },
      });
      const place = (nodes: typeof three) => placeRepository(nodes, policy, seededRandom(1));
      expect(place(three)).toMatchObject({ voters: expect.arrayContaining(['b', 'c', 'd']) });
      const full = { weight: 0, isFull: true };
      expect(place(nodesOf(['a', 'b', 'c'], { a: full, b: full, c: full }))).toMatchObject({
        kind: 'place',
        voters: expect.arrayContaining(['a', 'b', 'c']),
      });
    });

    it('has a replica on one that weighs nothing rather than on one that cannot be reached', () => {
      const nodes = nodesOf(['a', 'b', 'c', 'd'], { a: { weight: 0 }, d: { healthy: false } });
      expect(placeRepository(nodes, policy, seededRandom(1))).toMatchObject({
        voters: expect.arrayContaining(['a', 'b', 'c']),
        absent: [],
      });
    });

    it('has as many replicas as a write needs on storages that stay, whatever these weigh', () => {
      const nodes = nodesOf(['a', 'b', 'c', 'd'], {
        a: { weight: 0 },
        b: { isDraining: true },
        c: { isDraining: true },
      });
      const placement = placeRepository(nodes, policy, seededRandom(1));
      if (placement.kind === 'unavailable') throw new Error(placement.reason);
      expect(new Set(placement.voters.slice(0, 2))).toEqual(new Set(['a', 'd']));
    });
  });

  describe('where storages are in zones', () => {
    const zones = { a: 'x', b: 'x', c: 'y', d: 'y', e: 'z', f: 'z' } as const;
    const names = Object.keys(zones) as (keyof typeof zones)[];
    type Unlike = NonNullable<Parameters<typeof nodesOf>[1]>;
    const inZones = (unlike: Unlike = {}) =>
      nodesOf(
        names,
        Object.fromEntries(names.map((name) => [name, { zone: zones[name], ...unlike[name] }])),
      );
    const zonesOf = (storages: readonly string[]) =>
      storages.map((storage) => zones[storage as keyof typeof zones]).toSorted();
    /** A hundred placements on these storages. */
    const placements = (unlike: Unlike = {}, wanted = policy) => {
      const random = seededRandom(1);
      return Array.from({ length: 100 }, () => {
        const placement = placeRepository(inZones(unlike), wanted, random);
        if (placement.kind === 'unavailable') throw new Error(placement.reason);
        return placement;
      });
    };

    it('has its replicas in as many as there are, whatever single storages weigh', () => {
      for (const { voters } of placements({ a: { weight: 1000 }, b: { weight: 1000 } })) {
        expect(zonesOf(voters)).toEqual(['x', 'y', 'z']);
      }
      const five = { replicationFactor: 5, minInSyncReplicas: 2 };
      for (const { voters } of placements({}, five)) {
        const counts = ['x', 'y', 'z'].map((zone) => zonesOf(voters).filter((it) => it === zone));
        expect(counts.map(({ length }) => length).toSorted((a, b) => a - b)).toEqual([1, 2, 2]);
      }
    });

    it('goes by weight within a zone', () => {
      const inX = placements({ a: { weight: 0 } }).flatMap(({ voters }) =>
        voters.filter((storage) => zones[storage as keyof typeof zones] === 'x'),
      );
      expect(new Set(inX)).toEqual(new Set(['b']));
    });

    it('keeps its place in a zone that is drained as a whole, and begins elsewhere', () => {
      const goes = { isDraining: true };
      for (const { primary, voters } of placements({ e: goes, f: goes })) {
        expect(zonesOf(voters)).toEqual(['x', 'y', 'z']);
        expect(['e', 'f']).not.toContain(primary);
      }
      const gone = { isDraining: true, healthy: false };
      for (const { voters, absent } of placements({ e: gone, f: gone })) {
        expect(zonesOf(voters)).toEqual(['x', 'y']);
        expect(zonesOf(absent)).toEqual(['z']);
      }
    });

    it('has all replicas at once where a zone is lost', () => {
      const lost = { healthy: false };
      for (const { voters, absent } of placements({ e: lost, f: lost })) {
        expect(voters).toHaveLength(3);
        expect(absent).toEqual([]);
      }
    });

    it('is in no zone where nothing is to go, or nothing has room', () => {
      const none = { weight: 0 };
      for (const { voters } of placements({ e: none, f: { weight: 0, isFull: true } })) {
        expect(zonesOf(voters)).not.toContain('z');
      }
    });

    it('does not take storages whose zone nobody knows for neighbours', () => {
      const unknown = { zone: undefined };
      const two = { replicationFactor: 6, minInSyncReplicas: 2 };
      for (const { voters } of placements({ e: unknown, f: unknown, d: unknown }, two)) {
        expect(voters).toHaveLength(6);
      }
    });
  });
});

describe('a new repository that shares objects with another', () => {
  it('goes where that one is, with the same primary', () => {
    const other = recordWith({ primary: 'b' });
    expect(placeBeside(other, nodesOf(['a', 'b', 'c', 'd', 'e']), policy)).toEqual({
      kind: 'place',
      primary: 'b',
      voters: ['b', 'a', 'c'],
      absent: [],
    });
  });

  it('gets its replica by repair where that one is behind or cannot be reached', () => {
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 5n), replica('d', 5n)];
    const nodes = nodesOf(['a', 'b', 'c', 'd'], { a: { healthy: false } });
    expect(placeBeside(recordWith({ replicas }), nodes, policy)).toEqual({
      kind: 'place',
      primary: 'c',
      voters: ['c', 'd'],
      absent: ['a', 'b'],
    });
  });

  it('is not made where that one is leaving', () => {
    const replicas = [replica('a', 5n), replica('b', 5n), replica('c', 5n, 'leaving')];
    expect(placeBeside(recordWith({ replicas }), all, policy)).toMatchObject({
      voters: ['a', 'b'],
      absent: [],
    });
  });

  it('is refused while too few of its storages can be reached, whatever others could', () => {
    const nodes = nodesOf(['a', 'b', 'c', 'd'], { a: { healthy: false }, b: { healthy: false } });
    expect(placeBeside(recordWith(), nodes, policy)).toEqual({
      kind: 'unavailable',
      reason:
        'a new repository needs 2 storages with a.git, and 1 of 3 are in sync and can be reached',
    });
  });
});
