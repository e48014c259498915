import { describe, expect, test } from '@jest/globals';

import {
  drainBy,
  fetchOf,
  notReady,
  rollNowMs,
  rollObservation,
  rollPolicy,
  storageOf,
} from '../../../test/support/roll-observation.ts';
import type { ObservedStorage } from './roll-observation.ts';
import { planRoll } from './roll-plan.ts';

const outdated = { outdated: ['image'] as const };
const brokenPod = { ...outdated, readiness: notReady() };
const failedPod = { readiness: notReady({ isFailing: true, message: 'ImagePullBackOff' }) };
const unhealthy = { healthy: false, healthReason: 'refused' };

/** The actions in short, such as `requestDrain a`. */
function actionsOf(
  storages: readonly ObservedStorage[],
  rest: Parameters<typeof rollObservation>[1] = {},
): string[] {
  const { actions } = planRoll(rollObservation(storages, rest));
  return actions.map(({ kind, storage }) => `${kind} ${storage}`);
}

function progressOf(...input: Parameters<typeof rollObservation>) {
  return planRoll(rollObservation(...input)).progress;
}

describe('a roll', () => {
  test('has nothing to do where everything is up to date', () => {
    const storages = [storageOf('a'), storageOf('b')];
    expect(actionsOf(storages)).toEqual([]);
    expect(progressOf(storages)).toEqual({ kind: 'upToDate' });
  });

  test('begins with the storage with fewest primaries, and says why', () => {
    const storages = [storageOf('a', outdated), storageOf('b', outdated, { primaries: 1 })];
    expect(planRoll(rollObservation(storages))).toMatchObject({
      actions: [
        {
          kind: 'requestDrain',
          virtualStorage: 'default',
          storage: 'b',
          reason: 'its pod is outdated (image)',
        },
      ],
      progress: {
        kind: 'rolling',
        message: '0 of 2 storages are up to date; b: its pod is outdated (image)',
      },
    });
  });

  test('names every reason', () => {
    const storages = [storageOf('a', { outdated: ['image', 'configuration'] })];
    expect(planRoll(rollObservation(storages)).actions[0]?.reason).toBe(
      'its pod is outdated (image and configuration)',
    );
  });

  test('says what a drain waits for', () => {
    const drain = drainBy(fetchOf('group/project.git', 3));
    const storages = [storageOf('a'), storageOf('b', outdated, drain)];
    expect(actionsOf(storages)).toEqual([]);
    expect(progressOf(storages)).toEqual({
      kind: 'rolling',
      message:
        '1 of 2 storages are up to date; b drains: 3 calls left, oldest 12 s (fetch of group/project.git)',
    });
  });

  test('deletes the pod that is drained, by its UID', () => {
    const storages = [storageOf('a'), storageOf('b', outdated, drainBy())];
    expect(planRoll(rollObservation(storages)).actions).toEqual([
      {
        kind: 'deletePod',
        virtualStorage: 'default',
        storage: 'b',
        uid: 'uid-of-b',
        reason: 'it is drained',
        cutsCalls: false,
      },
    ]);
  });

  test.each<[string, ObservedStorage, string]>([
    ['stops', storageOf('b', 'stopping', drainBy()), 'b stops'],
    ['is gone', storageOf('b', 'absent', drainBy()), 'b has no pod yet'],
    [
      'starts',
      storageOf('b', { readiness: notReady() }, drainBy()),
      'b starts: the pod is not ready yet',
    ],
    [
      'is not healthy yet',
      storageOf('b', {}, { ...unhealthy, ...drainBy() }),
      'b is ready and not healthy yet: refused',
    ],
    [
      'is not healthy for each proxy',
      storageOf('b', {}, { disputedBy: ['p-1'], ...drainBy() }),
      'b is ready and not healthy for p-1 yet',
    ],
    [
      'lacks replicas',
      storageOf('b', {}, { inSync: 7, ...drainBy() }),
      'b is ready, and 3 of its 10 replicas are not in sync yet',
    ],
  ])('does nothing while the pod %s', (_what, storage, text) => {
    const storages = [storageOf('a', outdated), storage];
    expect(actionsOf(storages)).toEqual([]);
    expect(progressOf(storages)).toMatchObject({ kind: 'rolling' });
    expect(progressOf(storages)).toHaveProperty('message', expect.stringContaining(text));
  });

  test('takes the drain back when the storage is in sync, and only then goes on', () => {
    const storages = [storageOf('a', outdated), storageOf('b', {}, drainBy())];
    expect(actionsOf(storages)).toEqual(['cancelDrain b']);
  });

  test('keeps the older of two drains', () => {
    const storages = [
      storageOf('a', outdated, drainBy(fetchOf('r'))),
      storageOf('b', outdated, drainBy({ ...fetchOf('r'), agoMs: 90_000 })),
    ];
    expect(actionsOf(storages)).toEqual(['cancelDrain a']);
  });

  test('takes a drain back that the spec needs no more', () => {
    expect(actionsOf([storageOf('a'), storageOf('b', {}, drainBy(fetchOf('r')))])).toEqual([
      'cancelDrain b',
    ]);
  });
});

describe('a roll does not begin', () => {
  const storages = [storageOf('a', outdated), storageOf('b')];
  test.each([
    ['the spec is not applied', { isApplied: false }, /see Reconciled/],
    ['no proxy answers', { proxies: { kind: 'silent', message: 'refused' } }, /refused/],
    ['the database is away', { proxies: { kind: 'storeUnreachable' } }, /see DatabaseReady/],
    [
      'a proxy is out of touch',
      { proxies: { kind: 'answered', away: ['p-1'] } },
      /p-1 does not answer/,
    ],
    ['a repository lacks a replica', { short: 2 }, /2 repositories in default/],
  ] as const)('while %s', (_what, rest, message) => {
    expect(actionsOf(storages, rest)).toEqual([]);
    expect(progressOf(storages, rest)).toMatchObject({ kind: 'waiting' });
    expect(progressOf(storages, rest)).toHaveProperty('message', expect.stringMatching(message));
  });

  test.each<[string, ObservedStorage, RegExp]>([
    ['is not healthy', storageOf('b', {}, unhealthy), /b is ready and not healthy/],
    ['is behind', storageOf('b', {}, { inSync: 9 }), /1 of its 10 replicas/],
    ['has no pod', storageOf('b', 'absent'), /b has no pod yet/],
    ['is new to the proxies', storageOf('b', {}, 'unknown'), /b is not known to the proxies/],
    [
      'is drained by a person',
      storageOf('b', {}, drainBy({ requester: 'alice' })),
      /b is drained by alice/,
    ],
  ])('while another storage %s', (_what, other, message) => {
    const both = [storageOf('a', outdated), other];
    expect(actionsOf(both)).toEqual([]);
    expect(progressOf(both)).toHaveProperty('message', expect.stringMatching(message));
  });

  test('but not for a replica that only moves to another storage, or away from it', () => {
    const moving = storageOf('b', {}, { inSync: 8, moving: 2 });
    expect(actionsOf([storageOf('a', outdated), moving])).toEqual(['requestDrain a']);
  });

  test('but with the storage itself that is the one to be behind, or drained by a person', () => {
    const behind = storageOf('b', outdated, { inSync: 8 });
    expect(actionsOf([storageOf('a', outdated), behind], { short: 2 })).toEqual(['requestDrain b']);
    const drained = storageOf('b', outdated, { primaries: 9, ...drainBy({ requester: 'alice' }) });
    expect(actionsOf([storageOf('a', outdated), drained])).toEqual(['requestDrain b']);
  });
});

describe('a drained pod stays', () => {
  const drained = storageOf('b', outdated, drainBy());

  test('while another storage has trouble', () => {
    const storages = [storageOf('a', {}, unhealthy), drained];
    expect(actionsOf(storages, { short: 10 })).toEqual([]);
    expect(progressOf(storages)).toHaveProperty(
      'message',
      '0 of 2 storages are up to date; b is drained, and waits: a is ready and not healthy yet: refused',
    );
  });

  test('and gets its clients back if that lasts longer than the drain deadline', () => {
    const long = storageOf('b', outdated, drainBy({ agoMs: 600_000 }));
    expect(actionsOf([storageOf('a', {}, unhealthy), long])).toEqual(['cancelDrain b']);
  });

  test('and gets its clients back if the update is paused', () => {
    const rest = { policy: { ...rollPolicy, paused: true } };
    expect(actionsOf([storageOf('a'), drained], rest)).toEqual(['cancelDrain b']);
    expect(progressOf([storageOf('a'), drained], rest)).toEqual({
      kind: 'paused',
      message: '1 of 2 storages are up to date; set spec.update.paused to false to go on',
    });
  });

  test('and gets its clients back if another pod has failed', () => {
    expect(actionsOf([storageOf('a', failedPod, unhealthy), drained])).toEqual(['cancelDrain b']);
  });
});

describe('the drain deadline', () => {
  const late = { agoMs: 600_000 };

  test('cuts the calls that are left, and the reason says which', () => {
    const storages = [storageOf('a', outdated, drainBy({ ...late, ...fetchOf('r.git', 2) }))];
    expect(planRoll(rollObservation(storages)).actions).toMatchObject([
      {
        kind: 'deletePod',
        cutsCalls: true,
        reason:
          'its calls have not ended within 600 s, and are cut: 2 calls left, oldest 12 s (fetch of r.git)',
      },
    ]);
  });

  test('is none for a proxy that has not taken note, as it may send clients there', () => {
    const drain = drainBy({ ...late, drained: false, unaware: ['p-1'] });
    const storages = [storageOf('a', outdated, drain)];
    expect(actionsOf(storages)).toEqual([]);
    expect(progressOf(storages)).toHaveProperty(
      'message',
      '0 of 1 storages are up to date; a drains: p-1 has not taken note yet',
    );
  });
});

describe('a broken pod that is outdated', () => {
  test('is replaced without a drain', () => {
    const storages = [storageOf('a', outdated), storageOf('b', brokenPod, unhealthy)];
    expect(actionsOf(storages, { short: 10 })).toEqual(['deletePod b']);
  });

  test('is drained like any other if the proxies find it healthy all the same', () => {
    const storages = [storageOf('a'), storageOf('b', brokenPod)];
    expect(actionsOf(storages)).toEqual(['requestDrain b']);
    const disputed = storageOf('b', brokenPod, { ...unhealthy, disputedBy: ['p-1'] });
    expect(actionsOf([storageOf('a'), disputed], { short: 10 })).toEqual(['requestDrain b']);
  });

  test('is left alone while repositories refuse writes and it may become ready by itself', () => {
    const storages = [storageOf('a', {}, unhealthy), storageOf('b', brokenPod, unhealthy)];
    expect(actionsOf(storages, { short: 10, refusing: 10 })).toEqual([]);
    const failing = { ...brokenPod, readiness: notReady({ isFailing: true }) };
    const long = { ...brokenPod, readiness: notReady({ sinceMs: rollNowMs - 600_000 }) };
    for (const pod of [failing, long]) {
      const both = [storageOf('a', {}, unhealthy), storageOf('b', pod, unhealthy)];
      expect(actionsOf(both, { short: 10, refusing: 10 })).toEqual(['deletePod b']);
    }
  });

  test('is replaced although no proxy answers, if it has failed', () => {
    const proxies = { kind: 'silent', message: 'refused' } as const;
    const failing = { ...outdated, readiness: notReady({ isFailing: true }) };
    const runs = { ...outdated, readiness: notReady({ isFailing: true, isRunning: true }) };
    expect(actionsOf([storageOf('a', failing, 'unknown')], { proxies })).toEqual(['deletePod a']);
    expect(actionsOf([storageOf('a', runs, 'unknown')], { proxies })).toEqual([]);
    expect(actionsOf([storageOf('a', brokenPod, 'unknown')], { proxies })).toEqual([]);
  });

  test('waits for the one before it, which shows whether the correction works', () => {
    const storages = [
      storageOf('a', { readiness: notReady() }, unhealthy),
      storageOf('b', brokenPod, unhealthy),
    ];
    expect(actionsOf(storages)).toEqual([]);
    expect(progressOf(storages)).toHaveProperty('message', expect.stringContaining('a starts'));
  });
});

describe('a new pod that does not become ready', () => {
  test.each([
    ['fails', failedPod],
    ['takes too long', { readiness: notReady({ sinceMs: rollNowMs - 600_000 }) }],
  ])('halts the roll if it %s, with what to do', (_what, pod) => {
    const storages = [
      storageOf('a', outdated),
      storageOf('b', pod, { ...unhealthy, ...drainBy() }),
    ];
    expect(actionsOf(storages, { short: 10 })).toEqual([]);
    expect(progressOf(storages)).toMatchObject({ kind: 'halted' });
    expect(progressOf(storages)).toHaveProperty(
      'message',
      expect.stringMatching(
        /^0 of 2 .*; b does not become ready: .*No other pod .*Correct the spec/,
      ),
    );
  });

  test('is the first that a correction is applied to, and keeps its drain', () => {
    const pod = { ...failedPod, ...outdated };
    const storages = [
      storageOf('a', outdated),
      storageOf('b', pod, { ...unhealthy, ...drainBy() }),
    ];
    expect(actionsOf(storages, { short: 10 })).toEqual(['deletePod b']);
  });
});
