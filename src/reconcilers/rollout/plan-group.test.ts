import { describe, expect, test } from '@jest/globals';
import { requestFor, storage } from '../../../test/support/group-requests.ts';
import { planGroup } from './plan-group.ts';
import type { RolloutStorage } from './rollout-storage.ts';
import { describeWaiting } from './waiting-reason.ts';

const a = storage('gitaly-0', { zone: 'a' });
const b = storage('gitaly-1', { zone: 'b' });
const c = storage('gitaly-2', { zone: 'c' });
const other = storage('gitaly-3', { zone: 'a' });
const [x, y, z] = ['gitaly-0', 'gitaly-1', 'gitaly-2'].map((name) => storage(name)) as [
  RolloutStorage,
  RolloutStorage,
  RolloutStorage,
];

const two = { minAvailableReplicas: new Map([['default', 2]]) };
const one = { minAvailableReplicas: new Map([['default', 1]]) };
const none = { minAvailableReplicas: new Map([['default', 0]]) };

const repository = (...on: readonly RolloutStorage[]) => ({
  on,
  repositories: 12,
  example: '@hashed/6b.git',
});

/** Who goes, and what is said of those who wait. */
function outcome(...request: Parameters<typeof requestFor>) {
  const { group, waiting } = planGroup(requestFor(...request));
  return {
    group: group.map(({ name }) => name),
    waiting: Object.fromEntries(
      waiting.map(({ storage, reason }) => [storage.name, describeWaiting(reason)]),
    ),
  };
}

describe('the plan', () => {
  test('lets the preferred one of storages go that hold the same repositories', () => {
    const why =
      '12 repositories would not keep 2 replicas in sync and available (minAvailableReplicas): ' +
      '@hashed/6b.git in default, for one, would have 1 without gitaly-0 and gitaly-1';
    expect(outcome([x, y, z], [repository(x, y, z)], two)).toEqual({
      group: ['gitaly-0'],
      waiting: { 'gitaly-1': why, 'gitaly-2': why.replace('gitaly-1', 'gitaly-2') },
    });
  });

  test('lets two of three go where one replica is enough', () => {
    expect(outcome([x, y, z], [repository(x, y, z)], one)).toEqual({
      group: ['gitaly-0', 'gitaly-1'],
      waiting: {
        'gitaly-2':
          '12 repositories would not keep 1 replica in sync and available (minAvailableReplicas): ' +
          '@hashed/6b.git in default, for one, would have 0 without gitaly-0, gitaly-1 and gitaly-2',
      },
    });
  });

  test('takes a whole zone, and the largest', () => {
    const inZones = [repository(a, b, c), repository(other, b, c)];
    expect(outcome([b, a, c, other], inZones, two)).toEqual({
      group: ['gitaly-0', 'gitaly-3'],
      waiting: {
        'gitaly-1':
          'it is in zone b, and storages of zone a are disrupted or about to be: one zone at a time',
        'gitaly-2':
          'it is in zone c, and storages of zone a are disrupted or about to be: one zone at a time',
      },
    });
  });

  test('lets the single replica of a repository go only if none has to stay', () => {
    expect(outcome([x], [repository(x)], none).group).toEqual(['gitaly-0']);
    expect(outcome([x], [repository(x)], one)).toEqual({
      group: [],
      waiting: {
        'gitaly-0':
          '12 repositories would not keep 1 replica in sync and available (minAvailableReplicas): ' +
          '@hashed/6b.git in default, for one, would have 0 without gitaly-0',
      },
    });
  });

  test('lets what is disrupted go, though others must stay for it', () => {
    const down = { ...y, disrupted: true };
    const { group, waiting } = outcome([x, down, z], [repository(x, down, z)], two);
    expect(group).toEqual(['gitaly-1']);
    expect(Object.keys(waiting)).toEqual(['gitaly-0', 'gitaly-2']);
  });

  test('counts what is disrupted into maxUnavailable, candidate or not', () => {
    const down = { ...z, disrupted: true };
    const limits = { candidates: [x, y], maxUnavailable: 2 };
    expect(outcome([x, y, down], [], limits)).toEqual({
      group: ['gitaly-0'],
      waiting: {
        'gitaly-1':
          '2 storages are disrupted or about to be, and no more than 2 may be (maxUnavailable)',
      },
    });
  });

  test('fills the group up to its size, disrupted ones first', () => {
    const down = { ...z, disrupted: true };
    expect(outcome([x, y, down], [], { groupSize: 2 })).toEqual({
      group: ['gitaly-0', 'gitaly-2'],
      waiting: { 'gitaly-1': 'the group is full: 2 may go together (groupSize)' },
    });
  });

  test('names what others keep away from its zone', () => {
    const down = { disrupted: true };
    expect(
      outcome([a, { ...b, ...down }, { ...c, ...down }], [], { candidates: [a] }).waiting,
    ).toEqual({
      'gitaly-0':
        'it is in zone a, and storages of zones b and c are disrupted or about to be: one zone at a time',
    });
  });

  test('is refused for a candidate that is not in the cluster', () => {
    expect(() => planGroup(requestFor([x], [], { candidates: [y] }))).toThrow(
      'candidate gitaly-1 is not in the cluster',
    );
  });

  test('is refused for a repository on two virtual storages', () => {
    const elsewhere = storage('other-0', { virtualStorage: 'other' });
    expect(() => planGroup(requestFor([x, elsewhere], [repository(x, elsewhere)]))).toThrow(
      '@hashed/6b.git is not on storages of one virtual storage',
    );
  });

  test('is refused for a virtual storage of which nobody knows what it needs', () => {
    expect(() => planGroup(requestFor([x], [], { minAvailableReplicas: new Map() }))).toThrow(
      'no minAvailableReplicas is given for virtual storage default',
    );
  });
});
