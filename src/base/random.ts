/** Randomness, injected so that a run can be repeated from its seed. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** Not for secrets. */
export const systemRandom: Random = { next: () => Math.random() };

/** The same sequence for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
    },
  };
}

/** A random element, or undefined if there is none. */
export function pick<T>(random: Random, items: readonly T[]): T | undefined {
  return items[Math.floor(random.next() * items.length)];
}

/**
 * A random element: one that weighs twice as much as another is taken twice as often, and one that weighs nothing only
 * if all do. Then each is as likely. Undefined if there is none.
 *
 * @param weightOf 0 or more
 */
export function pickWeighted<T>(
  random: Random,
  items: readonly T[],
  weightOf: (item: T) => number,
): T | undefined {
  const weighty = items.filter((item) => weightOf(item) > 0);
  if (weighty.length === 0) return pick(random, items);
  const total = weighty.reduce((sum, item) => sum + weightOf(item), 0);
  let left = random.next() * total;
  for (const item of weighty) {
    left -= weightOf(item);
    if (left < 0) return item;
  }
  // Sums of fractions are not exact.
  return weighty.at(-1);
}
