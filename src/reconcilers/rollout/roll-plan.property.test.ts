import { describe, expect, test } from '@jest/globals';

import { fc } from '../../../test/support/properties.ts';
import type { RevisionQuality, RollEvent } from '../../../test/support/roll-event.ts';
import { RollWorld } from '../../../test/support/roll-world.ts';

const storage = fc.nat(2);
/** Of two, the first much more often. */
const mostly = (value: boolean) => fc.nat(4).map((roll) => (roll === 0 ? !value : value));
const quality = fc.constantFrom<RevisionQuality>('good', 'good', 'good', 'failing', 'flawed');
const bad = fc.constantFrom<RevisionQuality>('failing', 'flawed');
const fault: fc.Arbitrary<RollEvent> = fc.oneof(
  fc.record({ kind: fc.constant('newRevision' as const), quality }),
  fc.record({ kind: fc.constant('podCrashes' as const), storage }),
  fc.record({ kind: fc.constant('fallsBehind' as const), storage }),
  fc.record({ kind: fc.constant('callBegins' as const), storage }),
  fc.record({ kind: fc.constant('othersDrain' as const), storage, isOn: mostly(false) }),
  fc.record({ kind: fc.constant('proxiesSilent' as const), isOn: mostly(false) }),
  fc.record({ kind: fc.constant('proxyAway' as const), isOn: mostly(false) }),
  fc.record({ kind: fc.constant('paused' as const), isOn: mostly(false) }),
  fc.record({ kind: fc.constant('nodeLeaves' as const), storage, isOn: mostly(true) }),
  fc.record({ kind: fc.constant('evictorTries' as const), storage }),
  fc.record({ kind: fc.constant('timePasses' as const), ms: fc.nat(400_000) }),
  fc.constant<RollEvent>({ kind: 'watchStalls' }),
);
const progress: fc.Arbitrary<RollEvent> = fc.oneof(
  fc.constant<RollEvent>({ kind: 'watchGoesOn' }),
  fc.record({ kind: fc.constant('kubernetesActs' as const), storage }),
  fc.record({ kind: fc.constant('proxiesTakeNote' as const), storage }),
  fc.record({ kind: fc.constant('callsEnd' as const), storage }),
  fc.record({ kind: fc.constant('repaired' as const), storage }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('allGoesWell' as const), storage }) },
);
const operator: fc.Arbitrary<RollEvent> = fc.record({
  kind: fc.constant('operatorActs' as const),
  // It may die after so many of its actions.
  done: fc.oneof(fc.constant(Infinity), fc.nat(2)),
});
const events = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fault },
    { weight: 6, arbitrary: progress },
    { weight: 8, arbitrary: operator },
  ),
  { maxLength: 200, size: 'max' },
);

/** Each repository is on all storages and needs two of them, so that groups are no larger than one. */
const groupSize = fc.constantFrom(1, 3);

describe('a roll, whatever happens and wherever the operator dies', () => {
  test('takes down no pod that has clients, and none while another one is missed', () => {
    fc.assert(
      fc.property(events, groupSize, (history, size) => {
        const world = new RollWorld(3, size);
        world.playAll(history);
        expect(world.violations).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test('ends with every pod up to date and nothing drained, if every pod can become ready', () => {
    fc.assert(
      fc.property(events, groupSize, (history, size) => {
        const world = new RollWorld(3, size);
        world.playAll(history);
        world.settle();
        expect(world.violations).toEqual([]);
        expect(world.unfinished()).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test('lets whoever clears a node evict its pod in the end, and others stay', () => {
    fc.assert(
      fc.property(
        events,
        groupSize,
        storage,
        fc.subarray([0, 1, 2]),
        (history, size, evicted, others) => {
          const world = new RollWorld(3, size);
          world.playAll(history);
          world.settle();
          for (const one of [evicted, ...others]) {
            world.play({ kind: 'nodeLeaves', storage: one, isOn: true });
          }
          const before = world.evictions;
          world.goOn([evicted]);
          expect([world.evictions - before, world.violations]).toEqual([1, []]);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('tries a revision that does not work on one pod only', () => {
    fc.assert(
      fc.property(events, groupSize, bad, (history, size, quality) => {
        const world = new RollWorld(3, size);
        world.settle();
        world.play({ kind: 'newRevision', quality });
        world.playAll(
          history.filter(({ kind }) => kind !== 'newRevision' && kind !== 'podCrashes'),
        );
        expect(world.podsOfRevision()).toBeLessThanOrEqual(1);
      }),
      { numRuns: 100 },
    );
  });
});
