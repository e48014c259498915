import { expect, test } from '@jest/globals';
import { run } from '../../testbed/run.ts';
import { layouts } from './layouts.ts';
import type { Measurement } from './measure.ts';

const limitMs = 300_000;
/** What the operator may have, 300 MB, in MiB. */
const maxMiB = 300e6 / 2 ** 20;
const program = ['--import', 'tsx', 'test/benchmark/plan/main.ts'];

test(
  'lists and plans of each layout are measured, fit into memory, and are printed as JSON or a table',
  async () => {
    const counts = [300, 1_000_000];
    const json = await run(
      process.execPath,
      [...program, '--repositories', counts.join(), '--json'],
      { limitMs },
    );
    const measurements = JSON.parse(json) as Measurement[];
    expect(measurements.map(({ name, repositories }) => ({ name, repositories }))).toEqual(
      layouts.flatMap(({ name }) => counts.map((repositories) => ({ name, repositories }))),
    );
    for (const one of measurements) {
      expect(one.group).toBeGreaterThan(0);
      expect(one.group).toBeLessThanOrEqual(one.storages);
      expect(one.sets).toBeGreaterThan(1);
      expect(one.peakMiB).toBeLessThan(maxMiB);
      expect(one.listCpuMs * one.firstPlanMs * one.laterPlanMs).toBeGreaterThan(0);
    }
    const few = [...program, '--repositories', '300'];
    const table = await run(process.execPath, few, { limitMs });
    expect(table.trimEnd().split('\n')).toHaveLength(1 + layouts.length);
  },
  limitMs,
);
