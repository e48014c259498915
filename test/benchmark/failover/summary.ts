/** What one loss did to those who were there. */
export interface Loss {
  readonly lost: string;
  /** The longest time between two acknowledgements of one writer, from the loss on. */
  readonly gapMs: number;
  /** Writes that were refused, and made again, by their status. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly reads: number;
  readonly readFailures: readonly string[];
  readonly longestReadMs: number;
}

/** Whole milliseconds, each one that there was: nothing is interpolated. */
export interface Percentiles {
  readonly median: number;
  readonly p90: number;
  readonly max: number;
}

export interface Summary {
  readonly losses: number;
  readonly gapMs: Percentiles;
  readonly refusals: Readonly<Record<string, number>>;
  readonly reads: number;
  readonly readFailures: readonly string[];
  readonly longestReadMs: number;
}

/** All losses together. */
export function summarize(losses: readonly Loss[]): Summary {
  return {
    losses: losses.length,
    gapMs: percentilesOf(losses.map(({ gapMs }) => gapMs)),
    refusals: addUp(losses.map(({ refusals }) => Object.entries(refusals))),
    reads: losses.reduce((sum, { reads }) => sum + reads, 0),
    readFailures: losses.flatMap(({ readFailures }) => readFailures),
    longestReadMs: Math.round(Math.max(0, ...losses.map(({ longestReadMs }) => longestReadMs))),
  };
}

export function percentilesOf(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
  return { median: at(0.5), p90: at(0.9), max: at(1) };
}

/** Counts by name, of several at a time. */
export function addUp(
  counts: readonly Iterable<readonly [string, number]>[],
): Readonly<Record<string, number>> {
  const sums = new Map<string, number>();
  for (const each of counts) {
    for (const [name, count] of each) sums.set(name, (sums.get(name) ?? 0) + count);
  }
  return Object.fromEntries(sums);
}
