import { describe, expect, test } from '@jest/globals';

import {
  drainBy,
  fetchOf,
  notReady,
  rollObservation,
  storageOf,
} from '../../../test/support/roll-observation.ts';
import { PlacementsBuilder } from './placements.ts';
import type { ObservedPlacements, ObservedStorage } from './roll-observation.ts';
import { planRoll, type RollPlan } from './roll-plan.ts';

const outdated = { outdated: ['image'] as const };
const unhealthy = { healthy: false, healthReason: 'refused' };
/** Shows that the revision works. */
const proven = storageOf('p');
const three = [storageOf('a', outdated), storageOf('b', outdated), storageOf('c', outdated)];

/** Repositories by the letters of their storages, of which they are in sync on. */
function listed(storages: readonly ObservedStorage[], ...sets: string[]): ObservedPlacements {
  const builder = new PlacementsBuilder();
  for (const set of sets) {
    const members = storages.flatMap(({ name }, index) => (set.includes(name) ? [index] : []));
    builder.add(members, 5, `on-${set}.git`);
  }
  return { kind: 'listed', placements: builder.build() };
}

/** Groups of three, and each repository keeps one replica unless said otherwise. */
function plan(
  storages: readonly ObservedStorage[],
  placements?: ObservedPlacements,
  rest: { readonly size?: number; readonly keep?: number } = {},
): RollPlan {
  const { size = 3, keep = 1 } = rest;
  const observation = rollObservation(storages, { group: { size, maxUnavailable: 3 }, placements });
  const virtualStorages = observation.virtualStorages.map((one) => ({
    ...one,
    minAvailableReplicas: keep,
  }));
  return planRoll({ ...observation, virtualStorages });
}

const actionsOf = ({ actions }: RollPlan) =>
  actions.map(({ kind, storage }) => `${kind} ${storage}`);

describe('a group', () => {
  test('begins when it is known where the repositories are, and no sooner', () => {
    const storages = [proven, ...three];
    const before = plan(storages);
    expect([before.needsPlacements, before.actions]).toEqual([true, []]);
    const after = plan(storages, listed(storages, 'pab', 'pc'));
    expect([after.needsPlacements, actionsOf(after)]).toEqual([
      false,
      ['requestDrain a', 'requestDrain b', 'requestDrain c'],
    ]);
    expect(after.progress).toEqual({
      kind: 'rolling',
      message: '1 of 4 storages are up to date; a, b and c: its pod is outdated (image)',
    });
  });

  test('has no more than the repositories let go, and each that waits says why', () => {
    const storages = [proven, ...three];
    const { actions, waits } = plan(storages, listed(storages, 'pab', 'pc'), { keep: 2 });
    expect(actions.map(({ storage }) => storage)).toEqual(['a']);
    const why = (name: string) => waits.get(name);
    expect(why('b')).toBe(
      '5 repositories would not keep 2 replicas in sync and available (minAvailableReplicas): ' +
        'on-pab.git in default, for one, would have 1 without a and b',
    );
    expect(why('c')).toMatch(/on-pc.git in default, for one, would have 1 without c/);
  });

  test('begins with one alone that shows whether the revision works, without a look', () => {
    const first = plan(three);
    expect([first.needsPlacements, actionsOf(first)]).toEqual([false, ['requestDrain a']]);
    const drained = [storageOf('a', outdated, drainBy()), ...three.slice(1)];
    const second = plan(drained);
    expect([second.needsPlacements, actionsOf(second)]).toEqual([false, ['deletePod a']]);
    const started = storageOf('a', { readiness: notReady() }, { ...unhealthy, ...drainBy() });
    expect(actionsOf(plan([started, ...three.slice(1)]))).toEqual([]);
  });

  test('begins with one alone too where others are behind, as soon as repositories let it', () => {
    const behind = { inSync: 9, primaries: 9 };
    const others = [storageOf('p', outdated, behind), storageOf('q', outdated, behind)];
    const storages = [...others, ...three];
    expect(plan(storages).needsPlacements).toBe(true);
    expect(actionsOf(plan(storages, listed(storages, 'pabc')))).toEqual(['requestDrain a']);
  });

  test('is of one zone, where zones are known', () => {
    const inZone = (name: string, zone: string) => storageOf(name, outdated, { zone });
    const storages = [proven, inZone('a', 'x'), inZone('b', 'y'), inZone('c', 'y')];
    const { actions, waits } = plan(storages, listed(storages, 'pabc'));
    expect(actions.map(({ storage }) => storage)).toEqual(['b', 'c']);
    expect(waits.get('a')).toMatch(/^it is in zone x, and storages of zone y are/);
  });

  test('has nobody join before all of it are back', () => {
    const storages = [proven, storageOf('a', 'stopping', drainBy()), ...three.slice(1)];
    const { actions, needsPlacements } = plan(storages);
    expect([actions, needsPlacements]).toEqual([[], false]);
  });

  test('leaves nodes to whoever clears them, one at a time', () => {
    const leaving = { outdated: ['node'] as const, leaving: 'its node is cordoned' };
    const storages = [proven, storageOf('a', leaving), storageOf('b', leaving)];
    const { actions, needsPlacements } = plan(storages);
    expect([actions.map(({ storage }) => storage), needsPlacements]).toEqual([['a'], false]);
  });
});

describe('of a group that is drained', () => {
  const drained = (name: string) => storageOf(name, outdated, drainBy());
  const busy = storageOf('c', outdated, drainBy(fetchOf('r.git')));
  const storages = [proven, drained('a'), drained('b'), busy];

  test('those go that have no clients left, after one more look at the repositories', () => {
    expect(plan(storages)).toMatchObject({ needsPlacements: true, actions: [] });
    const placements = listed(storages, 'pab', 'pc');
    expect(actionsOf(plan(storages, placements))).toEqual(['deletePod a', 'deletePod b']);
    expect(plan(storages, placements).progress).toHaveProperty(
      'message',
      '1 of 4 storages are up to date; 3 storages go together, and of them a is drained',
    );
  });

  test.each<[string, ObservedStorage]>([
    ['has died', storageOf('p', {}, unhealthy)],
    ['has no pod', storageOf('p', 'absent', unhealthy)],
    ['is drained by a person', storageOf('p', {}, drainBy({ requester: 'alice' }))],
    ['is disputed', storageOf('p', {}, { disputedBy: ['p-1'] })],
    ['is not known', storageOf('p', {}, 'unknown')],
  ])('those stay that a repository needs now that another %s', (_what, other) => {
    const now = [other, ...storages.slice(1), storageOf('q')];
    const { actions, waits } = plan(now, listed(now, 'pa', 'qb'));
    expect(actions.map(({ storage }) => storage)).toEqual(['b']);
    expect(waits.get('a')).toMatch(/on-pa.git in default, for one, would have 0 without/);
  });

  test('those stay that are not healthy, and count as away', () => {
    const ill = storageOf('a', outdated, { ...unhealthy, ...drainBy() });
    const now = [proven, ill, ...storages.slice(2)];
    const { actions, waits } = plan(now, listed(now, 'ab', 'pa'));
    expect(actions).toEqual([]);
    expect(waits.get('a')).toBe('it is not healthy: refused');
    expect(waits.get('b')).toMatch(/would have 0 without a and b/);
  });

  test('those that have waited for too long get their clients back', () => {
    const late = storageOf('a', outdated, drainBy({ agoMs: 600_000 }));
    const now = [storageOf('p', {}, unhealthy), late, ...storages.slice(2)];
    expect(plan(now).actions).toEqual([]);
    expect(actionsOf(plan(now, listed(now, 'pa', 'pb')))).toEqual(['cancelDrain a']);
  });

  test('none goes if nobody says where repositories are; then the first begins alone', () => {
    const unknown = { kind: 'unknown', message: 'too many lists' } as const;
    const { actions, progress } = plan(storages, unknown);
    expect(actions).toEqual([]);
    expect(progress).toHaveProperty(
      'message',
      expect.stringContaining('waits: nobody says where repositories are: too many lists'),
    );
    expect(actionsOf(plan([proven, ...three], unknown))).toEqual(['requestDrain a']);
  });

  test('all get their clients back when a new pod does not work', () => {
    const failing = { readiness: notReady({ isFailing: true }) };
    const now = [storageOf('p', failing, unhealthy), ...storages.slice(1)];
    expect(actionsOf(plan(now, listed(now, 'a')))).toEqual([
      'cancelDrain a',
      'cancelDrain b',
      'cancelDrain c',
    ]);
  });

  test('the oldest go on if fewer may go together by now', () => {
    const old = storageOf('b', outdated, drainBy({ agoMs: 90_000 }));
    const now = [proven, drained('a'), old, busy];
    expect(actionsOf(plan(now, undefined, { size: 1 }))).toEqual([
      'cancelDrain a',
      'cancelDrain c',
    ]);
  });
});
