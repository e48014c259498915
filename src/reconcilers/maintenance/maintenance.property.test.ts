import { describe, expect, test } from '@jest/globals';

import type { MaintenanceEvent } from '../../../test/support/maintenance-event.ts';
import {
  MaintenanceWorld,
  type MaintenanceLayout,
} from '../../../test/support/maintenance-world.ts';
import { fc } from '../../../test/support/properties.ts';

const number = fc.nat(7);
const nodeDone = fc.constantFrom('Rebooted' as const, 'Uncordoned' as const);
const layout: fc.Arbitrary<MaintenanceLayout> = fc.integer({ min: 2, max: 6 }).chain((nodes) =>
  fc.record({
    nodes: fc.constant(nodes),
    // One storage a node: others are the business of the tests below.
    storages: fc.constant(Array.from({ length: nodes }, (_, node) => node)),
    isLocal: fc.boolean(),
    repositories: fc.array(fc.uniqueArray(fc.nat(nodes - 1), { minLength: 2, maxLength: 3 }), {
      maxLength: 5,
    }),
    maintenances: fc.array(
      fc.record({
        nodes: fc.record({
          names: fc.uniqueArray(
            fc.nat(nodes - 1).map((node) => `node-${node}`),
            { minLength: 1 },
          ),
        }),
        groupSize: fc.integer({ min: 1, max: 4 }),
        nodeDone,
      }),
      { minLength: 1, maxLength: 2 },
    ),
  }),
);

const operator: fc.Arbitrary<MaintenanceEvent> = fc.record({
  kind: fc.constant('operatorActs' as const),
  done: fc.oneof({ weight: 4, arbitrary: fc.constant(Infinity) }, fc.nat(3)),
});
const progress: fc.Arbitrary<MaintenanceEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('goesOn' as const), storage: number }) },
  fc.record({ kind: fc.constant('maintained' as const), node: number }),
);
const fault: fc.Arbitrary<MaintenanceEvent> = fc.oneof(
  fc.record({ kind: fc.constantFrom('callBegins' as const, 'crashes' as const), storage: number }),
  fc.record({ kind: fc.constant('timePasses' as const), ms: fc.nat(400_000) }),
  fc.record({ kind: fc.constant('cordonedByOthers' as const), node: number, isOn: fc.boolean() }),
  fc.record({ kind: fc.constant('paused' as const), maintenance: number, isOn: fc.boolean() }),
  fc.record({ kind: fc.constant('deleted' as const), maintenance: number }),
);
const events = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: operator },
    { weight: 10, arbitrary: progress },
    { weight: 2, arbitrary: fault },
  ),
  { maxLength: 250, size: 'max' },
);

describe('a maintenance, whatever happens and wherever the operator dies', () => {
  test('leaves each repository its replicas, and no node is cleared with a storage on it', () => {
    fc.assert(
      fc.property(layout, events, (given, history) => {
        const world = new MaintenanceWorld(given);
        world.playAll(history);
        expect(world.violations).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  test('ends with every node done, none cordoned, and nothing drained', () => {
    fc.assert(
      fc.property(layout, events, (given, history) => {
        const world = new MaintenanceWorld(given);
        world.playAll(history);
        world.settle();
        expect([world.violations, world.unfinished()]).toEqual([[], []]);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a maintenance of which nothing is in the way', () => {
  const nodes = { names: ['node-0', 'node-1', 'node-2', 'node-3', 'node-4', 'node-5'] };
  const six = { nodes: 6, storages: [0, 1, 2, 3, 4, 5], isLocal: true };
  const pairs = six.storages.map((one) => [one, (one + 1) % 6]);

  test('has each node maintained once, the first alone, and then as many as repositories allow', () => {
    const world = new MaintenanceWorld({
      ...six,
      repositories: pairs,
      maintenances: [{ nodes, groupSize: 6 }],
    });
    world.settle();
    expect([world.violations, world.unfinished()]).toEqual([[], []]);
    expect([world.boots(), world.mostCleared]).toEqual([[1, 1, 1, 1, 1, 1], 3]);
  });

  test('takes one node after the other with a group size of 1', () => {
    const world = new MaintenanceWorld({
      ...six,
      repositories: pairs,
      maintenances: [{ nodes, groupSize: 1 }],
    });
    world.settle();
    expect([world.boots(), world.mostCleared]).toEqual([[1, 1, 1, 1, 1, 1], 1]);
  });

  test('holds no more nodes than go together, also where their storages come back elsewhere', () => {
    const world = new MaintenanceWorld({
      ...six,
      isLocal: false,
      repositories: [],
      maintenances: [{ nodes, groupSize: 2 }],
    });
    const everyStep: readonly MaintenanceEvent[] = [
      { kind: 'operatorActs', done: Infinity },
      ...six.storages.map((storage) => ({ kind: 'goesOn', storage }) as const),
      // Whoever boots nodes has time for one only.
      { kind: 'maintained', node: 0 },
    ];
    for (let round = 0; round < 100; round += 1) world.playAll(everyStep);
    expect(world.boots()).toEqual([1, 0, 0, 0, 0, 0]);
    expect(world.mostCleared).toBeLessThanOrEqual(2);
  });

  test('leaves nodes without storages alone, and those that it does not name', () => {
    const world = new MaintenanceWorld({
      ...six,
      storages: [0, 1, 2],
      repositories: [[0, 1, 2]],
      maintenances: [{ nodes: { names: ['node-1', 'node-5'] } }],
    });
    world.settle();
    expect([world.unfinished(), world.boots()]).toEqual([[], [0, 1, 0, 0, 0, 0]]);
  });

  test('takes storages that share a node together, where their volumes are of the node', () => {
    const world = new MaintenanceWorld({
      nodes: 4,
      storages: [0, 1, 2, 3, 0, 1, 2, 3],
      isLocal: true,
      repositories: [],
      maintenances: [{ nodes: { names: nodes.names.slice(0, 4) }, groupSize: 2 }],
    });
    world.settle();
    expect([world.unfinished(), world.boots()]).toEqual([[], [1, 1, 1, 1]]);
  });

  test('takes storages that share a node and repositories one after the other, if they can be elsewhere', () => {
    const world = new MaintenanceWorld({
      nodes: 3,
      storages: [0, 0, 1],
      isLocal: false,
      repositories: [[0, 1]],
      maintenances: [{ nodes: { names: ['node-0'] }, groupSize: 2 }],
    });
    world.settle();
    expect([world.violations, world.unfinished(), world.boots()]).toEqual([[], [], [1, 0, 0]]);
  });
});
