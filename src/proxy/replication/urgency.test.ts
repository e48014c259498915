import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  anyNodes,
  anyRecord,
  nodesOf,
  recordWith,
  replica,
} from '../../../test/support/repository-records.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { routeWrite } from '../routing/route.ts';
import { placementOf } from '../store/placement.ts';
import { planRepair } from './plan.ts';
import { compareUrgency, urgencyOf } from './urgency.ts';

const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
const all = nodesOf(['a', 'b', 'c', 'd']);
const of = (record: RepositoryRecord, nodes = all) => urgencyOf(placementOf(record), nodes, policy);

const fine = recordWith();
const behind = recordWith({ replicas: [replica('a', 5n), replica('b', 5n), replica('c', 4n)] });
const refusing = recordWith({ replicas: [replica('a', 5n), replica('b', 4n), replica('c', 4n)] });
const missing = recordWith({ replicas: [replica('a', 5n), replica('b', 5n)] });
const surplus = recordWith({ replicas: [...fine.replicas, replica('d', 5n, 'leaving')] });

describe('the urgency of a repair', () => {
  it('is highest where writes are refused, and then follows what is lost', () => {
    expect(of(fine)).toBeUndefined();
    const moving = { ...replica('d', -1n, 'learner'), replaces: 'c' };
    expect(of(recordWith({ replicas: [...fine.replicas, moving] }))).toEqual(of(surplus));
    const urgencies = [surplus, missing, behind, refusing].map((record) => of(record));
    const sorted = urgencies.flatMap((urgency) => urgency ?? []).toSorted(compareUrgency);
    expect(sorted.map(({ priority }) => priority)).toEqual([
      'refusesWrites',
      'behind',
      'missing',
      'surplus',
    ]);
  });

  it('is that of a missing or surplus replica where a storage is decommissioned', () => {
    const nodes = nodesOf(['a', 'b', 'c', 'd'], { c: { isDecommissioned: true } });
    const moved = recordWith({ replicas: [...fine.replicas, replica('d', 5n)] });
    expect(of(fine, nodes)).toEqual({ priority: 'missing', inSync: 3 });
    expect(of(behind, nodes)).toEqual({ priority: 'missing', inSync: 2 });
    expect(of(moved, nodes)).toEqual({ priority: 'surplus', inSync: 4 });
  });

  it('counts only the in-sync replicas that can be reached', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { b: { healthy: false } });
    expect(of(behind, nodes)).toEqual({ priority: 'refusesWrites', inSync: 1 });
    expect(of(behind)).toEqual({ priority: 'behind', inSync: 2 });
  });

  it('is none where nothing is to be repaired, though writes are refused', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { a: { healthy: false }, b: { healthy: false } });
    expect(of(fine, nodes)).toBeUndefined();
  });

  it('grows with what is lost', () => {
    const urgencies = [2, 0, 1, 3].map((inSync) => ({ priority: 'behind' as const, inSync }));
    expect(urgencies.toSorted(compareUrgency).map(({ inSync }) => inSync)).toEqual([0, 1, 2, 3]);
  });
});

describe('whatever the record and the storages are like', () => {
  const order = fc.array(fc.tuple(anyRecord, anyNodes), { maxLength: 10 });

  it('a repository that refuses writes and can be repaired comes before all that take them', () => {
    fc.assert(
      fc.property(order, (pairs) => {
        const sorted = pairs
          .flatMap(([record, nodes]) => {
            const urgency = of(record, nodes);
            return urgency === undefined ? [] : [{ record, nodes, urgency }];
          })
          .toSorted((a, b) => compareUrgency(a.urgency, b.urgency));
        const refuses = sorted.map(({ record, nodes }) => {
          const route = routeWrite(record, nodes, policy);
          return route.kind === 'unavailable';
        });
        expect(refuses).toEqual(refuses.toSorted((a, b) => Number(b) - Number(a)));
      }),
    );
  });

  it('there is an urgency wherever there is a step', () => {
    fc.assert(
      fc.property(anyRecord, anyNodes, (record, nodes) => {
        const step = planRepair(record, nodes, policy, () => false);
        fc.pre(step.kind === 'bringInSync' || step.kind === 'removeReplica');
        expect(of(record, nodes)).toBeDefined();
      }),
    );
  });
});
