import { describe, expect, test } from '@jest/globals';

import type { GroupEvent } from '../../../test/support/group-event.ts';
import { GroupWorld, type GroupLayout } from '../../../test/support/group-world.ts';
import { fc } from '../../../test/support/properties.ts';
import type { RevisionQuality } from '../../../test/support/roll-event.ts';

const virtualStorage = fc.integer({ min: 1, max: 6 }).chain((storages) =>
  fc.record({
    storages: fc.constant(storages),
    repositories: fc.array(fc.uniqueArray(fc.nat(storages - 1), { minLength: 1, maxLength: 4 }), {
      maxLength: 6,
    }),
  }),
);
const layout: fc.Arbitrary<GroupLayout> = fc.record({
  virtualStorages: fc.array(virtualStorage, { minLength: 1, maxLength: 2 }),
  zones: fc.constantFrom(0, 0, 2, 3),
  groupSize: fc.integer({ min: 1, max: 6 }),
  maxUnavailable: fc.integer({ min: 1, max: 6 }),
  minAvailableReplicas: fc.nat(3),
});

const storage = fc.nat(11);
const repository = fc.nat(11);
/** Of two, the first much more often. */
const mostly = (value: boolean) => fc.nat(4).map((roll) => (roll === 0 ? !value : value));
const death: fc.Arbitrary<GroupEvent> = fc.record({
  kind: fc.constantFrom('podCrashes' as const, 'dies' as const),
  storage,
});
const quality = fc.constantFrom<RevisionQuality>('good', 'good', 'good', 'failing', 'flawed');
const fault: fc.Arbitrary<GroupEvent> = fc.oneof(
  death,
  fc.record({ kind: fc.constant('newRevision' as const), quality }),
  fc.record({ kind: fc.constant('groupSize' as const), size: fc.integer({ min: 1, max: 6 }) }),
  fc.record({
    kind: fc.constantFrom('paused' as const, 'listsFail' as const, 'watchStalls' as const),
    isOn: mostly(false),
  }),
  fc.record({ kind: fc.constant('othersDrain' as const), storage, isOn: mostly(false) }),
  fc.record({ kind: fc.constant('callBegins' as const), storage }),
  fc.record({ kind: fc.constant('written' as const), repository }),
  fc.record({ kind: fc.constant('fallsBehind' as const), storage, repository }),
  fc.record({ kind: fc.constant('timePasses' as const), ms: fc.nat(400_000) }),
);
const operator: fc.Arbitrary<GroupEvent> = fc.record(
  {
    kind: fc.constant('operatorActs' as const),
    // It may die after so many of its actions.
    done: fc.oneof(fc.constant(Infinity), fc.nat(3)),
    meanwhile: death,
  },
  { requiredKeys: ['kind', 'done'] },
);
const events = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fault },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('goesOn' as const), storage }) },
    { weight: 6, arbitrary: operator },
  ),
  { maxLength: 200, size: 'max' },
);

describe('a roll of groups, whatever happens and wherever the operator dies', () => {
  test('leaves each repository the replicas that it needs, and takes one alone where there are none to spare', () => {
    fc.assert(
      fc.property(layout, events, (given, history) => {
        const world = new GroupWorld(given);
        world.playAll(history);
        expect(world.violations).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test('ends with every pod up to date and nothing drained, if every pod can become ready', () => {
    fc.assert(
      fc.property(layout, events, (given, history) => {
        const world = new GroupWorld(given);
        world.playAll(history);
        world.settle();
        expect([world.violations, world.unfinished()]).toEqual([[], []]);
      }),
      { numRuns: 150 },
    );
  });

  test('tries a revision that does not work on one pod only', () => {
    fc.assert(
      fc.property(layout, events, (given, history) => {
        const world = new GroupWorld(given);
        world.settle();
        world.play({ kind: 'newRevision', quality: 'failing' });
        world.playAll(history.filter(({ kind }) => kind !== 'newRevision'));
        expect(world.podsOfRevision()).toBeLessThanOrEqual(1);
      }),
      { numRuns: 150 },
    );
  });

  test('takes as many as may go when nothing happens: one first, then the rest', () => {
    const storages = 6;
    const repositories = Array.from({ length: storages }, (_, one) => [one, (one + 1) % storages]);
    const world = new GroupWorld({
      virtualStorages: [{ storages, repositories }],
      zones: 0,
      groupSize: 6,
      maxUnavailable: 6,
      minAvailableReplicas: 1,
    });
    world.settle();
    expect([world.violations, world.unfinished(), world.mostDown]).toEqual([[], [], 3]);
  });
});
