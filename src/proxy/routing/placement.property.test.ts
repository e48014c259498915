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
/** How many different zones there are; one that nobody knows is one of its own. */
const countZones = (nodes: NodeView, storages: readonly string[]) =>
  new Set(storages.map((storage) => nodes.get(storage)?.zone ?? storage)).size;
/** The same storages, none of which is being drained. */
const undrained = (nodes: NodeView): NodeView =>
  new Map([...nodes].map(([name, node]) => [name, { ...node, isDraining: false }]));

describe('a new repository', () => {
  it('is placed on distinct storages up to its factor, and is refused only if it could not be written', () => {
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
        expect(voters.length).toBeGreaterThanOrEqual(policy.minInSyncReplicas);
        expect(healthyOf(nodes, absent)).toEqual([]);
        const placed = [...voters, ...absent];
        expect(new Set(placed).size).toBe(placed.length);
        expect(placed).toHaveLength(Math.min(policy.replicationFactor, nodes.size));
      }),
    );
  });

  it('has its replicas at once, as far as storages that nobody drains can be reached', () => {
    fc.assert(
      fc.property(anyNodes, anyPolicy, anySeed, (drained, policy, seed) => {
        const nodes = undrained(drained);
        const placement = placeRepository(nodes, policy, seededRandom(seed));
        if (placement.kind === 'unavailable') return;
        const healthy = healthyOf(nodes, nodes.keys());
        expect(placement.voters).toHaveLength(Math.min(policy.replicationFactor, healthy.length));
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
        const nodes = undrained(drained);
        const placement = placeRepository(nodes, policy, seededRandom(seed));
        if (placement.kind === 'unavailable') return;
        const wanted = wantedOf(nodes, healthyOf(nodes, nodes.keys()));
        expect(wantedOf(nodes, placement.voters)).toHaveLength(
          Math.min(wanted.length, policy.replicationFactor),
        );
      }),
    );
  });

  it('is in as many zones as there are', () => {
    fc.assert(
      fc.property(anyNodes, anyPolicy, anySeed, (others, policy, seed) => {
        const nodes: NodeView = new Map(
          [...undrained(others)].map(([name, node]) => [
            name,
            { ...node, healthy: true, weight: 100, isFull: false },
          ]),
        );
        const placement = placeRepository(nodes, policy, seededRandom(seed));
        if (placement.kind === 'unavailable') return;
        expect(countZones(nodes, placement.voters)).toBe(
          Math.min(countZones(nodes, [...nodes.keys()]), placement.voters.length),
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
