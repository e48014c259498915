import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { anyNodes, anyPolicy } from '../../../test/support/repository-records.ts';
import { seededRandom } from '../../base/random.ts';
import { isDraining, isHealthy, type NodeView } from './node-view.ts';
import { placeRepository } from './placement.ts';

const anySeed = fc.integer();

const healthyOf = (nodes: NodeView, storages: Iterable<string>) =>
  [...storages].filter((storage) => isHealthy(nodes, storage));
const stayingOf = (nodes: NodeView, storages: readonly string[]) =>
  storages.filter((storage) => !isDraining(nodes, storage));
/** Those that new repositories should go to. */
const wantedOf = (nodes: NodeView, storages: readonly string[]) =>
  storages.filter(
    (storage) => nodes.get(storage)?.isFull !== true && nodes.get(storage)?.weight !== 0,
  );

describe('a new repository', () => {
  it('is placed on distinct storages, healthy ones first, up to its factor', () => {
    fc.assert(
      fc.property(anyNodes, anyPolicy, anySeed, (nodes, policy, seed) => {
        const healthy = healthyOf(nodes, nodes.keys());
        const placement = placeRepository(nodes, policy, seededRandom(seed));
        if (placement.kind === 'unavailable') {
          expect(healthy.length).toBeLessThan(policy.minInSyncReplicas);
          return;
        }
        const { primary, voters, absent } = placement;
        expect(voters[0]).toBe(primary);
        expect(healthyOf(nodes, voters)).toEqual(voters);
        expect(voters).toHaveLength(Math.min(policy.replicationFactor, healthy.length));
        expect(healthyOf(nodes, absent)).toEqual([]);
        const placed = [...voters, ...absent];
        expect(new Set(placed).size).toBe(placed.length);
        expect(placed).toHaveLength(Math.min(policy.replicationFactor, nodes.size));
      }),
    );
  });

  it('begins on one that stays, and stays on as many as a write needs, if there are such', () => {
    fc.assert(
      fc.property(anyNodes, anyPolicy, anySeed, (nodes, policy, seed) => {
        const placement = placeRepository(nodes, policy, seededRandom(seed));
        if (placement.kind === 'unavailable') return;
        const { voters } = placement;
        const staying = stayingOf(nodes, voters);
        expect(voters.slice(0, staying.length)).toEqual(staying);
        const thereAre = stayingOf(nodes, healthyOf(nodes, nodes.keys())).length;
        expect(staying.length).toBeGreaterThanOrEqual(Math.min(policy.minInSyncReplicas, thereAre));
      }),
    );
  });

  it('goes to a storage that weighs nothing or is full only if there are not enough others', () => {
    fc.assert(
      fc.property(anyNodes, anyPolicy, anySeed, (drained, policy, seed) => {
        const nodes = new Map(
          [...drained].map(([name, it]) => [name, { ...it, isDraining: false }]),
        );
        const placement = placeRepository(nodes, policy, seededRandom(seed));
        if (placement.kind === 'unavailable') return;
        const wanted = wantedOf(nodes, healthyOf(nodes, nodes.keys()));
        expect(wantedOf(nodes, placement.voters)).toHaveLength(
          Math.min(wanted.length, policy.replicationFactor),
        );
      }),
    );
  });

  it('is placed alike by the same random numbers', () => {
    fc.assert(
      fc.property(anyNodes, anyPolicy, anySeed, (nodes, policy, seed) => {
        const place = () => placeRepository(nodes, policy, seededRandom(seed));
        expect(place()).toEqual(place());
      }),
    );
  });
});
