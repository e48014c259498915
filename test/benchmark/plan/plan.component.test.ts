import { expect, test } from '@jest/globals';
import { run } from '../../testbed/run.ts';
import { layouts } from './layouts.ts';
import type { Measurement } from './measure.ts';

const limitMs = 300_000;
const program = ['--import', 'tsx', 'test/benchmark/plan/main.ts'];

test(
  'the benchmark of the planner measures each layout, and prints JSON or a table',
  async () => {
    const few = [...program, '--repositories', '300'];
    const json = await run(process.execPath, [...few, '--json'], { limitMs });
    const measurements = JSON.parse(json) as Measurement[];
    expect(measurements.map(({ name, repositories }) => ({ name, repositories }))).toEqual(
      layouts.map(({ name }) => ({ name, repositories: 300 })),
    );
    for (const one of measurements) {
      expect(one.group).toBeGreaterThan(0);
      expect(one.group).toBeLessThanOrEqual(one.storages);
      expect(one.peakMiB).toBeGreaterThan(one.inputMiB);
      expect(one.firstMs * one.medianMs).toBeGreaterThan(0);
    }
    const table = await run(process.execPath, few, { limitMs });
    expect(table.trimEnd().split('\n')).toHaveLength(1 + layouts.length);
  },
  limitMs,
);
