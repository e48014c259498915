import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { preferredOwner } from './preferred-owner.ts';

const anyId = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });
const anyProxies = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 6 });

describe('the proxy that looks after a repository', () => {
  it('is nobody while no proxy is alive', () => {
    expect(preferredOwner(1n, new Set())).toBeUndefined();
  });

  it('is one of those that are alive, in whatever order they were heard of', () => {
    fc.assert(
      fc.property(
        anyId,
        anyProxies.chain((proxies) =>
          fc.tuple(
            fc.constant(proxies),
            fc.shuffledSubarray(proxies, { minLength: proxies.length }),
          ),
        ),
        (id, [proxies, shuffled]) => {
          const owner = preferredOwner(id, new Set(proxies));
          expect(proxies).toContain(owner);
          expect(preferredOwner(id, new Set(shuffled))).toBe(owner);
        },
      ),
    );
  });

  it('stays the same when another proxy goes', () => {
    fc.assert(
      fc.property(anyId, anyProxies, (id, proxies) => {
        const owner = preferredOwner(id, new Set(proxies));
        for (const other of proxies.filter((proxy) => proxy !== owner)) {
          const left = new Set(proxies.filter((proxy) => proxy !== other));
          expect(preferredOwner(id, left)).toBe(owner);
        }
      }),
    );
  });

  it('is each of them for its share of neighbouring repositories', () => {
    const proxies = ['proxy-7d9f-1a2b3c4d', 'proxy-7d9f-5e6f7a8b', 'proxy-7d9f-9c0d1e2f'];
    const shares = new Map<string | undefined, number>();
    for (let id = 1n; id <= 3000n; id++) {
      const owner = preferredOwner(id, new Set(proxies));
      shares.set(owner, (shares.get(owner) ?? 0) + 1);
    }
    expect(new Set(shares.keys())).toEqual(new Set(proxies));
    for (const share of shares.values()) expect(Math.abs(share - 1000)).toBeLessThan(150);
  });
});
