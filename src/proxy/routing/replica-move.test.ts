import { describe, expect, it } from '@jest/globals';
import {
  nodesOf,
  recordWith,
  replica,
  intentOf,
} from '../../../test/support/repository-records.ts';
import type { NodeStatus } from './node-view.ts';
import { moveRefusal } from './replica-move.ts';
import { moveOf, type RepositoryRecord } from './repository-record.ts';

const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
const storages = ['a', 'b', 'c', 'd', 'e'];
const refusal = (
  parts: Partial<RepositoryRecord> = {},
  unlike: Readonly<Record<string, Partial<NodeStatus>>> = {},
) => moveRefusal(recordWith(parts), { from: 'c', to: 'd' }, nodesOf(storages, unlike), policy);

const moving = recordWith({
  replicas: [...recordWith().replicas, { ...replica('d', -1n, 'learner'), replaces: 'c' }],
});

describe('a move', () => {
  it('is told by the record', () => {
    expect(moveOf(moving)).toEqual({ from: 'c', to: 'd' });
    expect(moveOf(recordWith())).toBeUndefined();
  });

  it('is none any more where the new replica leaves', () => {
    const replicas = moving.replicas.map((each) =>
      each.storage === 'd' ? { ...each, role: 'leaving' as const } : each,
    );
    expect(moveOf({ replicas })).toBeUndefined();
  });
});

describe('a replica may move', () => {
  it('if all is well', () => {
    expect(refusal()).toBeUndefined();
    expect(refusal({ intents: [intentOf('t')] })).toBeUndefined();
  });

  const pool = '@pools/6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b.git';
  const behind = [replica('a', 5n), replica('b', 4n), replica('c', 5n)];
  it.each<[string, Partial<RepositoryRecord>, string]>([
    ['of an object pool', { relativePath: pool }, 'an object pool stays'],
    ['while it is created', { intents: [intentOf('t', { kind: 'creation' })] }, 'being created'],
    ['while another one moves', { replicas: moving.replicas }, 'another of its replicas'],
    ['of none', { replicas: recordWith().replicas.slice(0, 2) }, 'no replica on c'],
    ['while one is behind', { replicas: behind }, 'not all of its replicas are in sync'],
    [
      'to where one is leaving',
      { replicas: [...recordWith().replicas, replica('d', 5n, 'leaving')] },
      'a replica on d already',
    ],
    [
      'while one is missing',
      { replicas: [replica('a', 5n), replica('c', 5n)] },
      'not all of its replicas are in sync',
    ],
  ])('but not %s', (_what, parts, reason) => {
    expect(refusal(parts)).toContain(reason);
  });

  it.each<[string, Record<string, Partial<NodeStatus>>, string]>([
    ['from a drained storage', { c: { isDraining: true } }, 'c is being drained'],
    ['to a drained storage', { d: { isDraining: true } }, 'd is being drained'],
    ['beside a drained storage', { a: { isDraining: true } }, 'a is being drained'],
    ['to what cannot be reached', { d: { healthy: false } }, 'd cannot be reached'],
    ['beside what cannot be reached', { b: { healthy: false } }, 'can be reached'],
    ['to a full disk', { d: { isFull: true } }, 'full'],
    ['to what weighs nothing', { d: { weight: 0 } }, 'weighs 0'],
  ])('but not %s', (_what, unlike, reason) => {
    expect(refusal({}, unlike)).toContain(reason);
  });

  it('to another zone only if no more of its replicas are there', () => {
    const zones = (a?: string, b?: string, c?: string, d?: string) =>
      refusal({}, { a: { zone: a }, b: { zone: b }, c: { zone: c }, d: { zone: d } });
    expect(zones('x', 'y', 'z', 'z')).toBeUndefined();
    expect(zones('x', 'y', 'z', 'w')).toBeUndefined();
    expect(zones('x', 'y', 'z', 'y')).toContain('zone y would have more');
    expect(zones('x', 'y', 'y', 'x')).toBeUndefined();
    expect(zones('x', 'y', 'z')).toContain('zone unknown');
    expect(zones('x', 'y', undefined, 'z')).toBeUndefined();
    expect(zones('x', 'y', undefined, 'x')).toContain('zone x');
  });
});
