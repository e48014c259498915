import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import type { CallsLeft, DrainRequest } from '../store/drain-board.ts';
import { drainProgress } from './drain-progress.ts';

const storages = ['gitaly-0', 'gitaly-1'];
const owners = ['proxy-0', 'proxy-1', 'proxy-2'];

function request(id: bigint, storage: string): DrainRequest {
  return {
    id,
    virtualStorage: 'default',
    storage,
    requester: `requester-${id}`,
    reason: 'a new image',
    graces: {},
    requestedAtMs: 0,
  };
}

const anyRequests = fc
  .array(fc.constantFrom(...storages), { maxLength: 4 })
  .map((named) => named.map((storage, index) => request(BigInt(index), storage)));

const anyCalls: fc.Arbitrary<readonly CallsLeft[]> = fc.uniqueArray(
  fc.record({
    class: fc.constantFrom('fetch', 'push'),
    count: fc.nat({ max: 3 }),
    oldestMs: fc.nat({ max: 100 }),
    oldestRepository: fc.constantFrom('a.git', 'b.git'),
  }),
  { selector: (calls) => calls.class },
);

/** One of each owner and request at most, as the board has it; of requests that are gone as well. */
const anyReports = fc.uniqueArray(
  fc.record({
    id: fc.bigInt({ min: 0n, max: 5n }),
    owner: fc.constantFrom(...owners),
    calls: anyCalls,
  }),
  { selector: ({ id, owner }) => `${id} ${owner}` },
);

const anyLive = fc.subarray(owners);

describe('a storage that is being drained', () => {
  test('is drained only if each live proxy has said so of a request that still stands', () => {
    fc.assert(
      fc.property(anyRequests, anyReports, anyLive, (requests, reports, live) => {
        for (const drain of drainProgress(requests, reports, live)) {
          const ids = new Set(drain.requests.map(({ id }) => id));
          const told = reports.filter(({ id, owner }) => ids.has(id) && live.includes(owner));
          const silent = live.filter((owner) => !told.some((report) => report.owner === owner));
          expect(drain.unaware).toEqual(silent);
          if (!drain.isDrained) continue;
          expect(silent).toEqual([]);
          for (const owner of live) {
            const isDone = told.some(
              (report) => report.owner === owner && report.calls.every(({ count }) => count === 0),
            );
            expect(isDone).toBe(true);
          }
        }
      }),
    );
  });

  test('is told of once, with all who ask for it', () => {
    fc.assert(
      fc.property(anyRequests, anyReports, anyLive, (requests, reports, live) => {
        const progress = drainProgress(requests, reports, live);
        expect(progress.flatMap((drain) => drain.requests).toSorted(byId)).toEqual(requests);
        expect(new Set(progress.map(({ storage }) => storage)).size).toBe(progress.length);
      }),
    );
  });

  test('has the calls of all live proxies together', () => {
    const calls = (count: number, oldestMs: number, oldestRepository: string) =>
      [{ class: 'fetch', count, oldestMs, oldestRepository }] as const;
    const [drain] = drainProgress(
      [request(1n, 'gitaly-0')],
      [
        { id: 1n, owner: 'proxy-0', calls: calls(2, 50, 'a.git') },
        { id: 1n, owner: 'proxy-1', calls: calls(1, 70, 'b.git') },
        { id: 1n, owner: 'proxy-2', calls: calls(9, 90, 'c.git') },
      ],
      ['proxy-0', 'proxy-1'],
    );
    expect(drain).toMatchObject({ isDrained: false, calls: calls(3, 70, 'b.git') });
  });
});

function byId(a: DrainRequest, b: DrainRequest): number {
  return a.id < b.id ? -1 : 1;
}
