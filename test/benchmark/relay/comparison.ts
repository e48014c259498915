import type { Bar, Workload } from './workloads.ts';

/** One round of a workload at one of the two. */
export interface Sample {
  /** Work that was done: calls, or bytes of streams. */
  readonly units: number;
  readonly ms: number;
  /** CPU time of the proxy's process, user and system. */
  readonly cpuMs: number;
  readonly p99Us: number;
}

/** The proxy and the Go relay, one after the other. */
export interface Round {
  readonly proxy: Sample;
  readonly go: Sample;
}

/** Figures of the proxy as multiples of the Go relay's. Above 1 throughput is better, all else worse. */
export interface Comparison {
  readonly work: string;
  readonly concurrency: number;
  readonly throughputRatio: number;
  /** Per unit of work. Null where the CPU is not that of the work alone. */
  readonly cpuRatio: number | null;
  readonly p99Ratio: number;
}

/** Medians over the rounds: each round is compared by itself, because the machine changes meanwhile. */
export function compare(workload: Workload, rounds: readonly Round[]): Comparison {
  const ratio = (figure: (sample: Sample) => number) =>
    rounded(median(rounds.map(({ proxy, go }) => figure(proxy) / figure(go))));
  return {
    work: workload.name,
    concurrency: workload.concurrency,
    throughputRatio: ratio(({ units, ms }) => units / ms),
    cpuRatio: workload.bulk ? null : ratio(({ units, cpuMs }) => cpuMs / units),
    p99Ratio: ratio(({ p99Us }) => p99Us),
  };
}

/** What of a bar is missed, for a person; empty if it is met. */
export function missed(bar: Bar, comparison: Comparison): readonly string[] {
  const { throughputRatio, cpuRatio, p99Ratio } = comparison;
  const { throughput = 0, cpu = Number.POSITIVE_INFINITY, p99 = Number.POSITIVE_INFINITY } = bar;
  const misses: string[] = [];
  if (!(throughputRatio >= throughput)) misses.push(`throughput below ${throughput}`);
  if (cpuRatio !== null && !(cpuRatio <= cpu)) misses.push(`CPU above ${cpu}`);
  if (!(p99Ratio <= p99)) misses.push(`p99 above ${p99}`);
  return misses;
}

/** The middle one, or the mean of the two. @throws RangeError without a number */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new RangeError('the median of nothing');
  return (lower + upper) / 2;
}

function rounded(number: number): number {
  return Math.round(number * 1000) / 1000;
}
