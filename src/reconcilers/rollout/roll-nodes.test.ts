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

const leaving = { outdated: ['node'] as const, leaving: 'node n-1 is cordoned' };
const outdated = { outdated: ['image'] as const };
const allowed = (agoMs = 5000) => ({ eviction: { isAllowed: true, sinceMs: rollNowMs - agoMs } });
const unhealthy = { healthy: false, healthReason: 'refused' };
const paused = {
  policy: { ...rollPolicy, paused: true },
};

/** The actions in short, such as `requestDrain a`. */
function actionsOf(...input: Parameters<typeof rollObservation>): string[] {
  return planRoll(rollObservation(...input)).actions.map(
    ({ kind, storage }) => `${kind} ${storage}`,
  );
}

function progressOf(...input: Parameters<typeof rollObservation>) {
  return planRoll(rollObservation(...input)).progress;
}

describe('a storage whose node is about to go', () => {
  test('is drained, and the reason is its node', () => {
    const storages = [storageOf('a'), storageOf('b', leaving)];
    expect(planRoll(rollObservation(storages))).toMatchObject({
      actions: [{ kind: 'requestDrain', storage: 'b', reason: 'node n-1 is cordoned' }],
      progress: {
        kind: 'clearingNodes',
        message: 'b is to be drained, as node n-1 is cordoned',
      },
    });
  });

  test('may be evicted when it is drained, and is not deleted', () => {
    const storages = [storageOf('a'), storageOf('b', leaving, drainBy())];
    expect(planRoll(rollObservation(storages)).actions).toEqual([
      {
        kind: 'allowEviction',
        virtualStorage: 'default',
        storage: 'b',
        uid: 'uid-of-b',
        reason: 'it is drained',
        cutsCalls: false,
      },
    ]);
  });

  test('waits for calls, and says for which', () => {
    const storages = [storageOf('a'), storageOf('b', leaving, drainBy(fetchOf('r.git')))];
    expect(actionsOf(storages)).toEqual([]);
    expect(progressOf(storages)).toEqual({
      kind: 'clearingNodes',
      message: 'b drains: 1 call left, oldest 12 s (fetch of r.git)',
    });
  });

  test('stays evictable while nobody evicts it, also if a call has begun that only it can serve', () => {
    const drain = drainBy(fetchOf('only-here.git'));
    const storages = [storageOf('a'), storageOf('b', { ...leaving, ...allowed() }, drain)];
    expect(actionsOf(storages)).toEqual([]);
    expect(progressOf(storages)).toHaveProperty(
      'message',
      'b may be evicted, as node n-1 is cordoned: 1 call left, oldest 12 s (fetch of only-here.git)',
    );
  });

  test('may be evicted at the drain deadline, and clients lose what is left', () => {
    const drain = drainBy({ ...fetchOf('r.git'), agoMs: 600_000 });
    expect(planRoll(rollObservation([storageOf('a', leaving, drain)])).actions).toMatchObject([
      { kind: 'allowEviction', cutsCalls: true, reason: expect.stringContaining('600 s') },
    ]);
  });

  test('is replaced by the operator if its pod is outdated too', () => {
    const both = { ...leaving, outdated: ['image', 'node'] as const };
    expect(actionsOf([storageOf('a'), storageOf('b', both, drainBy())])).toEqual(['deletePod b']);
  });

  test('is let go all the same if the update is paused, and only it', () => {
    const both = { ...leaving, outdated: ['image', 'node'] as const };
    const others = storageOf('a', outdated);
    expect(actionsOf([others, storageOf('b', both)], paused)).toEqual(['requestDrain b']);
    expect(actionsOf([others, storageOf('b', both, drainBy())], paused)).toEqual([
      'allowEviction b',
    ]);
    expect(progressOf([others, storageOf('b', both, drainBy())], paused)).toMatchObject({
      kind: 'clearingNodes',
    });
  });

  test('is left alone if its pod is not ready: nothing holds its eviction up', () => {
    const broken = { ...leaving, readiness: notReady({ isFailing: true }) };
    expect(actionsOf([storageOf('a'), storageOf('b', broken, unhealthy)], { short: 10 })).toEqual(
      [],
    );
  });

  test('comes before pods that are outdated, and after one that is on its way', () => {
    const storages = [storageOf('a', outdated, { primaries: 0 }), storageOf('b', leaving)];
    expect(actionsOf(storages)).toEqual(['requestDrain b']);
    expect(actionsOf([...storages, storageOf('c', {}, { inSync: 8 })])).toEqual([]);
    expect(progressOf([storageOf('b', leaving), storageOf('c', {}, { inSync: 8 })])).toEqual({
      kind: 'clearingNodes',
      message:
        'b is to be drained, as node n-1 is cordoned, and waits: c is ready, and 2 of its 10 replicas are not in sync yet',
    });
  });
});

describe('an eviction that was allowed is refused', () => {
  const evictable = (agoMs?: number) =>
    storageOf('b', { ...leaving, ...allowed(agoMs) }, drainBy());

  test.each<[string, readonly ObservedStorage[], Parameters<typeof rollObservation>[1]]>([
    ['another storage has trouble', [storageOf('a', {}, unhealthy), evictable()], { short: 10 }],
    ['no proxy answers', [evictable()], { proxies: { kind: 'silent', message: 'refused' } }],
    ['the spec is not applied', [evictable()], { isApplied: false }],
    ['a proxy is out of touch', [evictable()], { proxies: { kind: 'answered', away: ['p'] } }],
    [
      'a proxy has not taken note',
      [storageOf('b', { ...leaving, ...allowed() }, drainBy({ unaware: ['p'], drained: false }))],
      {},
    ],
    ['nobody drains it', [storageOf('b', { ...leaving, ...allowed() })], { isApplied: false }],
  ])('when %s', (_what, storages, rest) => {
    expect(actionsOf(storages, rest)).toEqual(['refuseEviction b']);
  });

  test('when its node stays, and the drain is taken back', () => {
    const storages = [storageOf('a'), storageOf('b', allowed(), drainBy())];
    expect(planRoll(rollObservation(storages)).actions).toMatchObject([
      { kind: 'cancelDrain', storage: 'b', uid: 'uid-of-b' },
    ]);
  });

  test('when nobody has used it for a minute, and another one waits for its turn', () => {
    const waits = storageOf('a', leaving, { primaries: 9 });
    expect(actionsOf([waits, evictable(59_000)])).toEqual([]);
    expect(actionsOf([waits, evictable(60_000)])).toEqual(['cancelDrain b']);
    expect(actionsOf([storageOf('a'), evictable(600_000)])).toEqual([]);
    const had = { ...leaving, eviction: { isAllowed: false, sinceMs: rollNowMs - 60_000 } };
    expect(actionsOf([waits, storageOf('b', had)])).toEqual(['requestDrain a']);
  });
});

test('a pod that is not ready on such a node halts nothing if no pod is outdated', () => {
  const broken = { ...leaving, readiness: notReady({ isFailing: true, message: 'no kubelet' }) };
  expect(progressOf([storageOf('a'), storageOf('b', broken, unhealthy)])).toEqual({
    kind: 'clearingNodes',
    message: 'b does not become ready: no kubelet',
  });
});
