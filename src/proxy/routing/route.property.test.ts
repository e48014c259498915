import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { seededRandom } from '../../base/random.ts';
import { homeOf } from './home.ts';
import { isDraining, isHealthy, type NodeView } from './node-view.ts';
import { inSyncVoters } from './repository-record.ts';
import { callsForCompany, routeMaintenance, routeRead, routeWrite } from './route.ts';
import {
  anyNodes,
  anyPolicy,
  anyRecord,
  someStorages,
} from '../../../test/support/repository-records.ts';

const anyRandom = fc.integer().map(seededRandom);

/** Those that are not being drained. */
const stayingOf = (nodes: NodeView, storages: readonly string[]) =>
  storages.filter((storage) => !isDraining(nodes, storage));

const healthyOf = (nodes: NodeView, storages: readonly string[]) =>
  storages.filter((storage) => isHealthy(nodes, storage));

describe('whatever the record and the storages are like', () => {
  it('a read goes to an in-sync healthy replica that has not failed, if there is one', () => {
    fc.assert(
      fc.property(
        anyRecord,
        anyNodes,
        fc.boolean(),
        fc.subarray([...someStorages]),
        anyRandom,
        (record, nodes, primaryOnly, failed, random) => {
          const excluded = new Set(failed);
          const route = routeRead(record, nodes, { primaryOnly, excluded, random });
          const others = healthyOf(nodes, inSyncVoters(record)).filter(
            (storage) => !excluded.has(storage),
          );
          const givesWay = isDraining(nodes, record.primary) && stayingOf(nodes, others).length > 0;
          const usable = others.filter(
            (storage) => !primaryOnly || givesWay || storage === record.primary,
          );
          if (route.kind === 'read') expect(usable).toContain(route.storage);
          else expect(usable).toEqual([]);
        },
      ),
    );
  });

  it('a read goes to a storage that is being drained only if no other can serve it', () => {
    fc.assert(
      fc.property(
        anyRecord,
        anyNodes,
        fc.boolean(),
        fc.boolean(),
        anyRandom,
        (record, nodes, primaryOnly, preferPrimary, random) => {
          const options = { primaryOnly, preferPrimary, excluded: new Set<string>(), random };
          const route = routeRead(record, nodes, options);
          if (route.kind !== 'read' || !isDraining(nodes, route.storage)) return;
          expect(stayingOf(nodes, healthyOf(nodes, inSyncVoters(record)))).toEqual([]);
        },
      ),
    );
  });

  it('maintenance goes to storages that are being drained only if there is no other', () => {
    fc.assert(
      fc.property(anyRecord, anyNodes, (record, nodes) => {
        const route = routeMaintenance(record, nodes);
        if (route.kind === 'unavailable') return;
        const staying = stayingOf(nodes, route.storages);
        if (staying.length > 0) expect(route.storages).toEqual(staying);
      }),
    );
  });

  it('a read goes to the least busy usable replica, but for what company is worth', () => {
    fc.assert(
      fc.property(anyRecord, anyNodes, anyRandom, (record, nodes, random) => {
        const options = { primaryOnly: false, excluded: new Set<string>(), random };
        const route = routeRead(record, nodes, options);
        fc.pre(route.kind === 'read');
        const load = (storage: string) => nodes.get(storage)?.outstanding ?? Infinity;
        const inCompany = nodes.get(route.storage)?.isWriting ?? false;
        const usable = healthyOf(nodes, inSyncVoters(record));
        for (const other of stayingOf(nodes, usable)) {
          const most = load(other) + (inCompany ? callsForCompany : 0);
          expect(load(route.storage)).toBeLessThanOrEqual(most);
        }
      }),
    );
  });

  it('a write goes to all in-sync healthy voters, the primary first, and only with a quorum', () => {
    fc.assert(
      fc.property(anyRecord, anyNodes, anyPolicy, (record, nodes, policy) => {
        const route = routeWrite(record, nodes, policy);
        const usable = healthyOf(nodes, inSyncVoters(record));
        switch (route.kind) {
          case 'write':
            expect(route.voters[0]).toBe(route.primary);
            expect(route.primary).toBe(record.primary);
            expect(route.voters.toSorted()).toEqual(usable.toSorted());
            expect(route.voters.length).toBeGreaterThanOrEqual(policy.minInSyncReplicas);
            expect(healthyOf(nodes, route.learners)).toEqual(route.learners);
            expect(route.learners.filter((storage) => usable.includes(storage))).toEqual([]);
            break;
          case 'failover':
            expect(usable).toContain(route.to);
            expect(route.to).not.toBe(record.primary);
            if (usable.includes(record.primary)) {
              expect(nodes.get(record.primary)?.failsWrites).toBe(true);
              expect(nodes.get(route.to)).toMatchObject({ failsWrites: false, isDraining: false });
            }
            expect(usable.length).toBeGreaterThanOrEqual(policy.minInSyncReplicas);
            break;
          case 'makeWay':
            expect(usable).toContain(route.to);
            expect(usable).toContain(record.primary);
            expect(isDraining(nodes, record.primary)).toBe(true);
            expect(nodes.get(route.to)).toMatchObject({ failsWrites: false, isDraining: false });
            expect(usable.length).toBeGreaterThanOrEqual(policy.minInSyncReplicas);
            break;
          case 'comeHome':
            expect(route.to).toBe(homeOf(record));
            expect(route.to).not.toBe(record.primary);
            expect(usable).toContain(route.to);
            expect(usable).toContain(record.primary);
            expect(nodes.get(route.to)).toMatchObject({
              isSteady: true,
              failsWrites: false,
              isDraining: false,
            });
            break;
          case 'unavailable':
            expect(usable.length).toBeLessThan(policy.minInSyncReplicas);
            break;
        }
      }),
    );
  });

  it('once the primary has moved the write can go on', () => {
    fc.assert(
      fc.property(anyRecord, anyNodes, anyPolicy, (record, nodes, policy) => {
        const route = routeWrite(record, nodes, policy);
        // Too many cases have nothing to move for a precondition, which gives up then.
        if (!('to' in route)) return;
        const moved = routeWrite({ ...record, primary: route.to }, nodes, policy);
        expect(moved).toMatchObject({ kind: 'write', primary: route.to });
      }),
    );
  });
});
