import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  anyNodes,
  anyRecord,
  nodesOf,
  recordWith,
  replica,
} from '../../../test/support/repository-records.ts';
import { isHealthy } from './node-view.ts';
import { isQuarantine, quarantineSearch, routeToQuarantine } from './quarantine.ts';

const all = nodesOf(['a', 'b', 'c']);

describe('an object directory', () => {
  it.each(['objects/tmp_objdir-incoming-x', '../../../+gitaly/tmp/quarantine-0123456789abcdef-1'])(
    'may be a quarantine: %s',
    (directory) => {
      expect(isQuarantine(directory)).toBe(true);
    },
  );

  it.each(['objects', './objects/', '../1/objects', 'x'.repeat(5000)])(
    'may not be one: %.20s',
    (directory) => {
      expect(isQuarantine(directory)).toBe(false);
    },
  );
});

describe('the search for a quarantine', () => {
  it('begins with the primary, and goes on with all others at once', () => {
    expect(quarantineSearch(recordWith(), all)).toEqual([['a'], ['b', 'c']]);
  });

  it('asks replicas that have fallen behind too, as the primary of a push may have', () => {
    const replicas = [replica('a', 5n), replica('b', 4n), replica('c', 4n, 'learner')];
    expect(quarantineSearch(recordWith({ replicas }), all)).toEqual([['a'], ['b', 'c']]);
  });

  it('asks neither replicas that are leaving nor those that nothing was copied to yet', () => {
    const replicas = [replica('a', 5n), replica('b', 5n, 'leaving'), replica('c', -1n, 'learner')];
    expect(quarantineSearch(recordWith({ replicas }), all)).toEqual([]);
  });

  it('asks nobody if only the primary can have it', () => {
    const alone = recordWith({ replicas: [replica('a', 5n)] });
    expect(quarantineSearch(alone, all)).toEqual([]);
    const others = nodesOf(['a', 'b', 'c'], { b: { healthy: false }, c: { healthy: false } });
    expect(quarantineSearch(recordWith(), others)).toEqual([]);
  });

  it('asks the others if the primary cannot be reached', () => {
    const nodes = nodesOf(['a', 'b', 'c'], { a: { healthy: false } });
    expect(quarantineSearch(recordWith(), nodes)).toEqual([['b', 'c']]);
  });

  it('asks no storage twice, and none that is not healthy or has no replica', () => {
    fc.assert(
      fc.property(anyRecord, anyNodes, (record, nodes) => {
        const asked = quarantineSearch(record, nodes).flat();
        expect(new Set(asked).size).toBe(asked.length);
        for (const storage of asked) {
          expect(isHealthy(nodes, storage)).toBe(true);
          expect(record.replicas.map((held) => held.storage)).toContain(storage);
        }
      }),
    );
  });
});

describe('a read from a quarantine', () => {
  it('goes to the storage that has it, in sync or not', () => {
    expect(routeToQuarantine('b', all, new Set())).toEqual({ kind: 'read', storage: 'b' });
  });

  it.each([
    ['cannot be reached', nodesOf(['a', 'b', 'c'], { b: { healthy: false } }), new Set<string>()],
    ['has failed to answer it', all, new Set(['b'])],
  ])('goes nowhere if that one %s', (_why, nodes, excluded) => {
    expect(routeToQuarantine('b', nodes, excluded)).toEqual({
      kind: 'unavailable',
      reason: 'storage b, which alone has what the push has brought, cannot be reached',
    });
  });
});
