import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  anyNodes,
  anyPolicy,
  anyRecord,
  nodesOf,
  recordWith,
  replica,
} from '../../../test/support/repository-records.ts';
import { isHealthy, type NodeStatus } from '../routing/node-view.ts';
import { inSyncVoters } from '../routing/repository-record.ts';
import { placeNewReplica } from './new-replica.ts';
import { anyRoom } from './repair-room.ts';

const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
/** In sync on `a` and `b`, of the zones `x` and `y`. */
const two = recordWith({ replicas: [replica('a', 5n), replica('b', 5n)] });

function nodesWith(unlike: Readonly<Record<string, Partial<NodeStatus>>>) {
  const zones = { a: { zone: 'x' }, b: { zone: 'y' } };
  return nodesOf(['a', 'b', ...Object.keys(unlike)], { ...zones, ...unlike });
}

function placed(
  unlike: Readonly<Record<string, Partial<NodeStatus>>>,
  record = two,
  room = anyRoom,
) {
  const outcome = placeNewReplica(record, nodesWith(unlike), policy, room);
  return outcome.kind === 'storage' ? outcome.storage : outcome.reason;
}

describe('a replica that is missing', () => {
  it('goes to a zone that has none, rather than to one that weighs nothing', () => {
    expect(placed({ c: { zone: 'x' }, d: { zone: 'z' }, e: { zone: 'y' } })).toBe('d');
    expect(placed({ c: { zone: 'x' }, d: { zone: 'z', weight: 0 } })).toBe('c');
    expect(placed({ d: { weight: 0 } })).toBe('d');
  });

  it('goes by weight, each repository by chance, and the same one always to the same storage', () => {
    const counts = { c: 0, d: 0 };
    const storages = { c: { weight: 300 }, d: { weight: 100 } };
    for (let id = 1n; id <= 1000n; id++) {
      const storage = placed(storages, { ...two, id });
      expect(placed(storages, { ...two, id })).toBe(storage);
      counts[storage as 'c' | 'd'] += 1;
    }
    expect(counts.c).toBeGreaterThan(690);
    expect(counts.c).toBeLessThan(810);
  });

  it('goes neither to a full disk nor to a storage that is drained, while the repository can be written', () => {
    const full = { weight: 0, isFull: true };
    expect(placed({ c: full })).toBe('the disk of storage c is full');
    expect(placed({ c: { isDraining: true } })).toBe('storage c is being drained');
    expect(placed({ c: full, d: { isDraining: true }, e: {} })).toBe('e');
    const one = recordWith({ replicas: [replica('a', 5n)] });
    const cannotBeWritten = { b: { healthy: false } };
    expect(placed({ ...cannotBeWritten, c: full }, one)).toBe('c');
    expect(placed({ ...cannotBeWritten, c: { isDraining: true } }, one)).toBe('c');
    const inOther = { zone: 'z', isDraining: true };
    expect(placed({ ...cannotBeWritten, c: inOther, d: { zone: 'x' } }, one)).toBe('d');
  });

  it('waits for a zone that is drained, also while its storages are away, and not for a lost one', () => {
    const away = { zone: 'z', healthy: false };
    expect(placed({ c: { zone: 'x' }, d: { ...away, isDraining: true } })).toBe(
      'storage d is being drained',
    );
    expect(placed({ c: { zone: 'x' }, d: away })).toBe('c');
    expect(placed({ d: away })).toBe('no further storage can be reached');
  });

  it('goes to none that is decommissioned, nor counts one there for its zone', () => {
    const gone = { isDecommissioned: true, isDraining: true };
    expect(placed({ c: { ...gone, zone: 'z' }, d: { zone: 'x' } })).toBe('d');
    expect(placed({ c: gone })).toBe('no further storage can be reached');
    const moving = recordWith({ replicas: [...two.replicas, replica('c', 5n)] });
    expect(placed({ c: { ...gone, zone: 'z' }, d: { zone: 'z' }, e: { zone: 'x' } }, moving)).toBe(
      'd',
    );
  });

  it('waits for room in the right zone, and goes elsewhere where it has failed', () => {
    const storages = { c: { zone: 'x' }, d: { zone: 'z' } };
    const noRoom = { ...anyRoom, hasRoomTo: (target: string) => target !== 'd' };
    expect(placed(storages, two, noRoom)).toBe('repairs there have to wait');
    const failed = { ...noRoom, hasFailedOn: (target: string) => target === 'd' };
    expect(placed(storages, two, failed)).toBe('c');
  });

  it('never goes where there is one, or where nobody can reach', () => {
    fc.assert(
      fc.property(anyRecord, anyNodes, anyPolicy, (record, nodes, anyWanted) => {
        const outcome = placeNewReplica(record, nodes, anyWanted, anyRoom);
        const holders = new Set(record.replicas.map(({ storage }) => storage));
        const free = [...nodes.keys()].filter(
          (storage) => !holders.has(storage) && isHealthy(nodes, storage),
        );
        if (outcome.kind === 'storage') {
          expect(free).toContain(outcome.storage);
          return;
        }
        // Whoever can be written at all can wait.
        const inSync = inSyncVoters(record).filter((storage) => isHealthy(nodes, storage));
        if (inSync.length < anyWanted.minInSyncReplicas) expect(free).toEqual([]);
      }),
    );
  });
});
