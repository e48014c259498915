import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { nodesOf, recordWith } from '../../../test/support/repository-records.ts';
import { pick, seededRandom, type Random } from '../../base/random.ts';
import { routeRead } from './route.ts';

const storages = ['a', 'b', 'c'];

/** A proxy that knows how many calls of its own run on each storage, and nothing of the others'. */
class Proxy {
  readonly running = new Map(storages.map((storage) => [storage, 0]));
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  send(): string {
    const load = Object.fromEntries(
      [...this.running].map(([storage, outstanding]) => [storage, { outstanding }]),
    );
    const options = { primaryOnly: false, excluded: new Set<string>(), random: this.#random };
    const route = routeRead(recordWith(), nodesOf(storages, load), options);
    if (route.kind === 'unavailable') throw new Error(route.reason);
    this.running.set(route.storage, (this.running.get(route.storage) ?? 0) + 1);
    return route.storage;
  }

  end(storage: string): void {
    this.running.set(storage, (this.running.get(storage) ?? 0) - 1);
  }
}

function proxies(count: number, random: Random): Proxy[] {
  return Array.from({ length: count }, () => new Proxy(random));
}

function countOf(sent: readonly string[]): number[] {
  return storages.map((storage) => sent.filter((to) => to === storage).length);
}

const anyRandom = fc.integer().map(seededRandom);

describe('reads that several proxies send, each by what it knows itself', () => {
  it('leave no storage with more than one call for each proxy above the others', () => {
    const anySenders = fc.array(fc.nat({ max: 3 }), { maxLength: 60 });
    fc.assert(
      fc.property(anySenders, anyRandom, (senders, random) => {
        const all = proxies(4, random);
        const counts = countOf(senders.map((index) => all[index]?.send() ?? ''));
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(all.length);
      }),
    );
  });

  it('do not herd: proxies that are idle do not all choose the same storage', () => {
    fc.assert(
      fc.property(anyRandom, (random) => {
        const sent = Array.from({ length: 100 }, () =>
          proxies(3, random).map((proxy) => proxy.send()),
        );
        // All three agree in one of nine cases; half of them is out of reach of chance.
        expect(sent.filter((to) => new Set(to).size === 1).length).toBeLessThan(50);
        for (const count of countOf(sent.flat())) expect(count).toBeGreaterThan(40);
      }),
    );
  });

  it('avoid a storage that is slow, without anybody measuring how slow', () => {
    fc.assert(
      fc.property(anyRandom, (random) => {
        const all = proxies(3, random);
        const running: { readonly proxy: Proxy; readonly storage: string }[] = [];
        const sent: string[] = [];
        for (let tick = 0; tick < 600; tick++) {
          const proxy = pick(random, all);
          if (proxy === undefined) continue;
          const storage = proxy.send();
          sent.push(storage);
          running.push({ proxy, storage });
          // A call on `c` takes ten times as long as on the others.
          for (let index = running.length - 1; index >= 0; index--) {
            const call = running[index];
            if (call === undefined) continue;
            if (random.next() >= (call.storage === 'c' ? 0.01 : 0.1)) continue;
            call.proxy.end(call.storage);
            running.splice(index, 1);
          }
        }
        const [a = 0, b = 0, c = 0] = countOf(sent);
        expect(c).toBeLessThan(Math.min(a, b) / 2);
      }),
      { numRuns: 20 },
    );
  });
});
