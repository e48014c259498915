import { describe, expect, it } from '@jest/globals';
import { compare, median, missed, type Round, type Sample } from './comparison.ts';
import type { Workload } from './workloads.ts';

const workload: Workload = {
  name: 'unary read',
  work: 'read',
  concurrency: 16,
  bar: { throughput: 2, cpu: 0.25, p99: 1 },
};

function sample(units: number, cpuMs: number, p99Us = 100): Sample {
  return { units, ms: 1000, cpuMs, p99Us };
}

function round(proxy: Sample, go: Sample): Round {
  return { proxy, go };
}

describe('the comparison', () => {
  it('relates throughput to time, and CPU to work', () => {
    const rounds = [round({ ...sample(400, 100, 300), ms: 2000 }, sample(100, 100, 100))];
    expect(compare(workload, rounds)).toEqual({
      work: 'unary read',
      concurrency: 16,
      throughputRatio: 2,
      cpuRatio: 0.25,
      p99Ratio: 3,
    });
  });

  it('compares each round by itself, so that a slow moment of the machine does no harm', () => {
    const rounds = [
      round(sample(30, 10), sample(10, 10)),
      round(sample(3, 10), sample(1, 10)),
      round(sample(9, 10), sample(10, 10)),
    ];
    expect(compare(workload, rounds).throughputRatio).toBe(3);
  });

  it('leaves CPU out where other work has used most of it', () => {
    const beside = { ...workload, bulk: 4 };
    expect(compare(beside, [round(sample(1, 1), sample(1, 1))]).cpuRatio).toBeNull();
  });
});

describe('a bar', () => {
  const met = { work: '', concurrency: 1, throughputRatio: 2, cpuRatio: 0.25, p99Ratio: 1 };

  it('is met by figures as good as it', () => {
    expect(missed(workload.bar, met)).toEqual([]);
  });

  it('names all that is missed', () => {
    const comparison = { ...met, throughputRatio: 1.99, cpuRatio: 0.251, p99Ratio: 1.01 };
    expect(missed(workload.bar, comparison)).toEqual([
      'throughput below 2',
      'CPU above 0.25',
      'p99 above 1',
    ]);
  });

  it('is missed by no figure at all', () => {
    expect(missed({ throughput: 1 }, { ...met, throughputRatio: Number.NaN })).not.toEqual([]);
  });
});

describe('the median', () => {
  it('is the middle one, whatever the order', () => {
    expect(median([5, 1, 3])).toBe(3);
  });

  it('lies between the two in the middle', () => {
    expect(median([4, 1, 2, 100])).toBe(3);
  });

  it('does not exist without numbers', () => {
    expect(() => median([])).toThrow(RangeError);
  });
});
