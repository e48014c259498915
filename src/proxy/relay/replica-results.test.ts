import { describe, expect, test } from '@jest/globals';
import type { NodeEnd } from '../transactions/voting.ts';
import { replicaResults } from './replica-results.ts';

const ok: NodeEnd = { kind: 'finished', code: 0 };
const failed: NodeEnd = { kind: 'finished', code: 13 };
const lost: NodeEnd = { kind: 'lost' };

describe('how replicas came out of a write', () => {
  const replicas = ['a', 'b', 'c', 'd', 'e'];
  const ends = new Map<string, NodeEnd>([
    ['a', ok],
    ['b', ok],
    ['c', failed],
    ['d', ok],
  ]);

  test('is told of all but the reference', () => {
    const holders = ['a', 'b'];
    const results = replicaResults({ replicas, ends, reference: 'a', holders, hasVotes: true });
    expect([...results.values()]).toEqual([
      'updated',
      'node-error-status',
      'node-not-committed',
      'outdated',
    ]);
  });

  test('differs by contents if nobody has voted', () => {
    const holders = ['a', 'b'];
    const results = replicaResults({ replicas, ends, reference: 'a', holders, hasVotes: false });
    expect(results.get('d')).toBe('no-votes');
  });

  test('counts a storage that was lost as one with another status', () => {
    const some = new Map<string, NodeEnd>([
      ['a', ok],
      ['b', lost],
    ]);
    const options = { replicas: ['a', 'b'], ends: some, reference: 'a', holders: ['a'] };
    expect(replicaResults({ ...options, hasVotes: true }).get('b')).toBe('node-error-status');
  });
});
