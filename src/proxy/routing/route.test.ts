import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../base/random.ts';
import {
  callsForCompany,
  isMendable,
  nodesHolding,
  routeMaintenance,
  routeRead,
  routeWrite,
} from './route.ts';
import { homeOf } from './home.ts';
import { nodesOf, recordWith, replica } from '../../../test/support/repository-records.ts';

const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
const all = nodesOf(['a', 'b', 'c']);

describe('a read', () => {
  const options = { primaryOnly: false, excluded: new Set<string>(), random: seededRandom(1) };

  it('goes to the least busy replica', () => {
    const nodes = nodesOf(['a', 'b', 'c'], {
      a: { outstanding: 2 },
      b: { outstanding: 1 },
      c: { outstanding: 3 },
    });
    expect(routeRead(recordWith(), nodes, options)).toEqual({ kind: 'read', storage: 'b' });
  });

  it('goes where others go out in the same turn, unless too many run there', () => {
    const withOthers = (outstanding: number) =>
      nodesOf(['a', 'b', 'c'], { b: { outstanding, isWriting: true } });
    const routed = (outstanding: number) =>
      routeRead(recordWith(), withOthers(outstanding), options);
    expect(routed(callsForCompany - 1)).toEqual({ kind: 'read', storage: 'b' });
    expect(routed(callsForCompany + 1)).not.toEqual({ kind: 'read', storage: 'b' });
  });

  it('goes to any of those that are equally busy', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { c: { outstanding: 1 } });
    const seen = new Set(
      Array.from({ length: 50 }, () => {
        const route = routeRead(recordWith(), nodes, options);
        return route.kind === 'read' ? route.storage : route.reason;
      }),
    );
    expect(seen).toEqual(new Set(['a', 'b']));
  });

  it('avoids busy replicas only among those that are in sync', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { a: { outstanding: 9 }, b: { outstanding: 9 } });
    const record = recordWith({ replicas: [replica('a', 5n), replica('c', 4n)] });
    expect(routeRead(record, nodes, options)).toEqual({ kind: 'read', storage: 'a' });
  });

  it('does not go where it has failed already', () => {
    const excluded = new Set(['a', 'c']);
    const route = routeRead(recordWith(), all, { ...options, excluded });
    expect(route).toEqual({ kind: 'read', storage: 'b' });
  });

  it('goes to the primary where it has to, however busy that is', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { a: { outstanding: 9 } });
    const route = routeRead(recordWith(), nodes, { ...options, primaryOnly: true });
    expect(route).toEqual({ kind: 'read', storage: 'a' });
  });

  it('goes to the primary where it should, and elsewhere if that cannot be reached', () => {
    const preferring = { ...options, preferPrimary: true };
    const busy = nodesOf(['a', 'b', 'c'], { a: { outstanding: 9 } });
    expect(routeRead(recordWith(), busy, preferring)).toEqual({ kind: 'read', storage: 'a' });
    const nodes = nodesOf(['a', 'b', 'c'], { a: { healthy: false }, c: { outstanding: 1 } });
    expect(routeRead(recordWith(), nodes, preferring)).toEqual({ kind: 'read', storage: 'b' });
  });

  it('names the primary that cannot be reached', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { a: { healthy: false } });
    expect(routeRead(recordWith(), nodes, { ...options, primaryOnly: true })).toEqual({
      kind: 'unavailable',
      reason: 'the primary a cannot be reached',
    });
  });

  it('names the in-sync replicas if none of them can be reached, and what helps, as a write does', () => {
    const record = recordWith({ replicas: [replica('a', 5n), replica('b', 5n), replica('c', 4n)] });
    const nodes = nodesOf(['a', 'b', 'c'], { a: { healthy: false }, b: { healthy: false } });
    const refusal = {
      kind: 'unavailable',
      reason:
        'none of the in-sync replicas (a, b) can be reached: bring one of them back, ' +
        'or, if they are lost, see "gitaly-ha repository dataloss", ' +
        'and give up what only they hold with "gitaly-ha repository accept-dataloss"',
    };
    expect(routeRead(record, nodes, options)).toEqual(refusal);
    expect(routeWrite(record, nodes, policy)).toEqual(refusal);
  });
});

describe('a write', () => {
  it('goes to the primary first, then to the other voters', () => {
    expect(routeWrite(recordWith({ primary: 'b' }), all, policy)).toEqual({
      kind: 'write',
      primary: 'b',
      voters: ['b', 'a', 'c'],
      learners: [],
    });
  });

  it('goes to healthy learners too, and not to voters that are behind', () => {
    const replicas = [
      replica('a', 5n),
      replica('b', 4n),
      replica('c', 5n),
      replica('d', -1n, 'learner'),
      replica('e', 5n, 'learner'),
      replica('f', 5n, 'leaving'),
    ];
    const nodes = nodesOf(['a', 'b', 'c', 'd', 'e', 'f'], { e: { healthy: false } });
    expect(routeWrite(recordWith({ replicas }), nodes, policy)).toMatchObject({
      voters: ['a', 'c'],
      learners: ['d'],
    });
  });

  it('waits for a failover when the primary cannot be reached', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { a: { healthy: false } });
    expect(routeWrite(recordWith(), nodes, policy)).toEqual({ kind: 'failover', to: 'b' });
  });

  it('does not move the primary to a replica that is behind', () => {
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 5n), replica('d', 5n)];
    const nodes = nodesOf(['a', 'b', 'c', 'd'], { a: { healthy: false } });
    expect(routeWrite(recordWith({ replicas }), nodes, policy)).toEqual({
      kind: 'failover',
      to: 'c',
    });
  });

  it('is refused with fewer voters than have to hold it, and says how many there are', () => {
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 5n)];
    const nodes = nodesOf(['a', 'b', 'c'], { c: { healthy: false } });
    expect(routeWrite(recordWith({ replicas }), nodes, policy)).toEqual({
      kind: 'unavailable',
      reason: 'a write needs 2 in-sync replicas, and 1 of 2 can be reached',
    });
  });

  it('is refused when nothing can be reached, even if no replica were required', () => {
    const nodes = nodesOf(['a'], { a: { healthy: false } });
    const none = { ...policy, minInSyncReplicas: 0 };
    expect(routeWrite(recordWith(), nodes, none)).toMatchObject({ kind: 'unavailable' });
  });
});

describe('a write that lacks in-sync replicas', () => {
  const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 5n)];

  it('can be made after a repair if enough replicas can be reached, and one of them is in sync', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { c: { healthy: false } });
    expect(isMendable(recordWith({ replicas }), nodes, policy)).toBe(true);
  });

  it('cannot if nothing is there to copy from, or too few replicas can be reached, or one of them leaves', () => {
    const nodes = nodesOf(['b', 'c'], { c: { healthy: false } });
    expect(isMendable(recordWith({ replicas }), nodes, policy)).toBe(false);
    const noSource = [replica('a', 4n), replica('b', 4n), replica('c', 5n)];
    const withoutC = nodesOf(['a', 'b', 'c'], { c: { healthy: false } });
    expect(isMendable(recordWith({ replicas: noSource }), withoutC, policy)).toBe(false);
    expect(isMendable(recordWith({ replicas }), nodesOf(['a']), policy)).toBe(false);
    const leaving = [replica('a', 5n), { ...replica('b', 4n), role: 'leaving' as const }];
    expect(isMendable(recordWith({ replicas: leaving }), withoutC, policy)).toBe(false);
  });
});

describe('a write to a repository whose primary is not at home', () => {
  const home = homeOf(recordWith()) ?? '';
  const [primary = '', other = ''] = ['a', 'b', 'c'].filter((storage) => storage !== home);
  const away = recordWith({ primary });
  const steady = { isSteady: true };

  it('brings it back when its home has been healthy for a while', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { [home]: steady });
    expect(routeWrite(away, nodes, policy)).toEqual({ kind: 'comeHome', to: home });
  });

  it('leaves it where it is while its home is behind, fails writes, has just come, or cannot be reached', () => {
    const isBehind = {
      ...away,
      replicas: [replica(home, 4n), replica(primary, 5n), replica(other, 5n)],
    };
    const cases = [
      routeWrite(isBehind, nodesOf(['a', 'b', 'c'], { [home]: steady }), policy),
      ...[{}, { ...steady, failsWrites: true }, { ...steady, healthy: false }].map((state) =>
        routeWrite(away, nodesOf(['a', 'b', 'c'], { [home]: state }), policy),
      ),
    ];
    for (const route of cases) expect(route).toMatchObject({ kind: 'write', primary });
  });

  it('fails over to its home rather than to another storage', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { [home]: steady, [primary]: { healthy: false } });
    expect(routeWrite(away, nodes, policy)).toEqual({ kind: 'failover', to: home });
  });
});

describe('a write to a repository whose primary fails writes', () => {
  const record = recordWith();
  const failing = { failsWrites: true };
  const withFailing = (unlike: Parameters<typeof nodesOf>[1]) => nodesOf(['a', 'b', 'c'], unlike);

  it('moves the primary to one that does not', () => {
    const nodes = withFailing({ a: failing, b: failing });
    expect(routeWrite(record, nodes, policy)).toEqual({ kind: 'failover', to: 'c' });
  });

  it('stays if all others fail them too, or cannot be reached', () => {
    for (const c of [failing, { healthy: false }]) {
      const nodes = withFailing({ a: failing, b: failing, c });
      expect(routeWrite(record, nodes, policy)).toMatchObject({ kind: 'write', primary: 'a' });
    }
  });

  it('goes to a secondary that fails them as to any other', () => {
    const nodes = withFailing({ c: failing });
    expect(routeWrite(record, nodes, policy)).toMatchObject({ voters: ['a', 'b', 'c'] });
  });
});

describe('a repository whose primary is being drained', () => {
  const record = recordWith();
  const goes = { isDraining: true };
  const withDrained = (unlike: Parameters<typeof nodesOf>[1]) => nodesOf(['a', 'b', 'c'], unlike);
  const read = { excluded: new Set<string>(), random: seededRandom(1) };

  it('gets another one before it is written to, which the drained storage still takes part in', () => {
    const nodes = withDrained({ a: goes, b: goes });
    expect(routeWrite(record, nodes, policy)).toEqual({ kind: 'makeWay', to: 'c' });
    const moved = routeWrite({ ...record, primary: 'c' }, nodes, policy);
    expect(moved).toMatchObject({ kind: 'write', voters: ['c', 'a', 'b'] });
  });

  it('keeps it if no other can be primary', () => {
    for (const c of [goes, { healthy: false }, { failsWrites: true }]) {
      const nodes = withDrained({ a: goes, b: goes, c });
      expect(routeWrite(record, nodes, policy)).toMatchObject({ kind: 'write', primary: 'a' });
    }
  });

  it('is read on another one, also by those that ask for the primary', () => {
    const nodes = withDrained({ a: goes, b: { healthy: false }, c: { outstanding: 100 } });
    for (const primaryOnly of [true, false]) {
      const route = routeRead(record, nodes, { ...read, primaryOnly, preferPrimary: true });
      expect(route).toEqual({ kind: 'read', storage: 'c' });
    }
  });

  it('is read there if no other replica can be', () => {
    const nodes = withDrained({ a: goes, b: { healthy: false }, c: { healthy: false } });
    for (const primaryOnly of [true, false]) {
      const route = routeRead(record, nodes, { ...read, primaryOnly });
      expect(route).toEqual({ kind: 'read', storage: 'a' });
    }
  });
});

describe('maintenance', () => {
  it('goes to all replicas, the primary first, and those that are behind too', () => {
    const record = recordWith({
      primary: 'b',
      replicas: [replica('a', 3n, 'learner'), replica('b', 5n), replica('c', 4n)],
    });
    expect(routeMaintenance(record, all)).toEqual({
      kind: 'maintenance',
      storages: ['b', 'a', 'c'],
    });
  });

  it('leaves out what cannot be reached, what is going, and what was never there', () => {
    const record = recordWith({
      replicas: [replica('a', 5n), replica('b', 5n, 'leaving'), replica('c', -1n, 'learner')],
    });
    expect(routeMaintenance(record, all)).toMatchObject({ storages: ['a'] });
    const nodes = nodesOf(['a', 'b', 'c'], { a: { healthy: false } });
    expect(routeMaintenance(recordWith(), nodes)).toMatchObject({ storages: ['b', 'c'] });
  });

  it('needs no more than one replica, and names them if there is none', () => {
    const nodes = nodesOf(['a', 'b', 'c'], {
      a: { healthy: false },
      b: { healthy: false },
      c: { healthy: false },
    });
    expect(routeMaintenance(recordWith(), nodes)).toEqual({
      kind: 'unavailable',
      reason: 'none of the replicas (a, b, c) can be reached',
    });
  });
});

describe('a write that opens a second repository', () => {
  const opened = recordWith({
    relativePath: 'pool.git',
    replicas: [replica('a', 5n), replica('b', 4n), replica('c', 5n)],
  });

  it('goes only where that one is in sync', () => {
    expect(routeWrite(recordWith(), nodesHolding(all, opened), policy)).toMatchObject({
      kind: 'write',
      voters: ['a', 'c'],
    });
    expect(nodesHolding(all, opened).get('b')).toMatchObject({
      healthy: false,
      reason: 'pool.git is not in sync there',
    });
  });

  it('has its primary moved to where that one is', () => {
    const record = recordWith({ primary: 'b' });
    const route = routeWrite(record, nodesHolding(all, opened), policy);
    expect(route).toEqual({ kind: 'failover', to: 'a' });
  });
});
