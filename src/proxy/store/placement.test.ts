import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import type { Replica, RepositoryRecord } from '../routing/repository-record.ts';
import { anyParts } from './conformance/support.ts';
import { decodePlacement, encodePlacement, isSettled, placementOf } from './placement.ts';

const anyRecord = anyParts.map((parts) => record(parts));

describe('a placement', () => {
  test('survives being written down', () => {
    const property = fc.property(anyRecord, (it) => {
      const placement = placementOf(it);
      expect(decodePlacement(encodePlacement(placement))).toEqual(placement);
    });
    fc.assert(property);
  });

  test('is the same text in whatever order the replicas are', () => {
    const property = fc.property(anyRecord, (it) => {
      const reversed = { ...it, replicas: it.replicas.toReversed() };
      expect(encoded(reversed)).toBe(encoded(it));
    });
    fc.assert(property);
  });

  test('stays as it is through a write that all in-sync replicas take', () => {
    const property = fc.property(anyRecord, (it) => {
      const lsn = it.lsn + 100n;
      const replicas = it.replicas.map((replica) =>
        replica.lsn === it.lsn ? moved(replica, lsn) : replica,
      );
      expect(encoded({ ...it, lsn, version: 9n, intents: [], replicas })).toBe(encoded(it));
    });
    fc.assert(property);
  });

  test('is another once a replica falls behind', () => {
    const before = record({});
    const replicas = before.replicas.with(2, moved(before.replicas[2], -1n));
    expect(encoded({ ...before, replicas })).not.toBe(encoded(before));
  });
});

describe('a record', () => {
  test('is settled when all replicas are in sync and nothing is under way', () => {
    expect(isSettled(record({}))).toBe(true);
  });

  test.each<[string, Partial<RepositoryRecord>]>([
    ['a replica is behind', { replicas: [{ storage: 'a', lsn: 0n, role: 'voter' }], lsn: 1n }],
    ['a replica is leaving', { replicas: [{ storage: 'a', lsn: 0n, role: 'leaving' }] }],
    ['a repair holds writes back', { barrier: { owner: 'proxy-0', expiresAtMs: 0 } }],
    [
      'a write is under way',
      { intents: [{ transaction: 't', owner: 'o', kind: 'write', epoch: 1n, voters: [] }] },
    ],
  ])('is not settled while %s', (_, parts) => {
    expect(isSettled(record(parts))).toBe(false);
  });
});

function record(parts: Partial<RepositoryRecord>): RepositoryRecord {
  return {
    id: 1n,
    virtualStorage: 'default',
    relativePath: 'a.git',
    replicaPath: 'b',
    version: 1n,
    epoch: 1n,
    lsn: 0n,
    primary: 'a',
    replicas: ['a', 'b', 'c'].map((storage) => ({ storage, lsn: 0n, role: 'voter' })),
    intents: [],
    ...parts,
  };
}

function encoded(it: RepositoryRecord): string {
  return encodePlacement(placementOf(it));
}

function moved(replica: Replica | undefined, lsn: bigint): Replica {
  return { storage: replica?.storage ?? '', role: replica?.role ?? 'voter', lsn };
}
