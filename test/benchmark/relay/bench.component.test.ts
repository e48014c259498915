import { describe, expect, it } from '@jest/globals';
import { goProgramLimitMs } from '../../support/go-program.ts';
import { run } from '../../testbed/run.ts';
import type { Comparison } from './comparison.ts';
import { workloads } from './workloads.ts';

const limitMs = 3 * goProgramLimitMs;
/** `expect.anything()` would not take null. */
const anything: unknown = { asymmetricMatch: () => true };

describe('the benchmark', () => {
  it(
    'does every work at both, and ends with a line of JSON',
    async () => {
      // A call that fails, or a stream that brings less than it should, ends it with an error.
      const args = ['--import', 'tsx', 'test/benchmark/relay/main.ts', '--quick'];
      const output = await run(process.execPath, args, { limitMs });
      const lines = output.trimEnd().split('\n');
      const comparisons = JSON.parse(lines.at(-1) ?? '') as Comparison[];
      expect(comparisons).toEqual(
        workloads.map(({ name, concurrency }) => ({
          work: name,
          concurrency,
          throughputRatio: expect.any(Number),
          // null where less CPU was used than the kernel counts.
          cpuRatio: anything,
          p99Ratio: expect.any(Number),
        })),
      );
      for (const { throughputRatio } of comparisons) expect(throughputRatio).toBeGreaterThan(0);
      expect(lines.at(-2)).toMatch(/^memory with 1000 open streams, 100 of them not read: /);
    },
    limitMs,
  );

  it(
    'sets two workers beside one',
    async () => {
      const args = ['--import', 'tsx', 'test/benchmark/relay/main.ts', '--quick', '--workers'];
      const output = await run(process.execPath, [...args, '--only', 'unary'], { limitMs });
      const results = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as object[];
      const figure: unknown = expect.any(Number);
      expect(results).toEqual(
        [16, 64].map((concurrency) => ({
          work: 'unary read',
          concurrency,
          throughputRatio: figure,
          cpuRatio: anything,
          coresOfOne: figure,
          coresOfTwo: figure,
          busiestOfTwo: anything,
        })),
      );
    },
    limitMs,
  );
});
