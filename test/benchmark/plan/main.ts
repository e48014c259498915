/** What it takes the operator to plan which storages may go together: `npm run benchmark:plan -- --help`. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { formatTable } from '../../../src/cli/table.ts';
import { lineProgress } from '../../testbed/progress.ts';
import { parseCounts } from '../../support/option-numbers.ts';
import { layouts, type Layout } from './layouts.ts';
import type { Measurement, Order } from './measure.ts';
import { startPlacementServer } from './placement-server.ts';

const maxRepositories = 10_000_000;
const limitMs = 120_000;

interface Options {
  readonly repositories: readonly number[];
  readonly json?: boolean;
}

const { repositories: counts, json } = new Command('npm run benchmark:plan --')
  .description(
    'Measures what it takes the operator to find out where repositories are, and to plan which storages may go ' +
      'together. All of 160 storages should go, and as many as may. Each point has a process of its own, which asks ' +
      'this one, as the operator asks a proxy.',
  )
  .option(
    '--repositories <numbers>',
    `how many, up to ${maxRepositories}, with commas between`,
    parseCounts,
    [1000, 10_000, 100_000, 1_000_000],
  )
  .option('--json', 'JSON instead of a table')
  .parse()
  .opts<Options>();
if (counts.some((count) => count > maxRepositories)) {
  throw new Error(`--repositories takes numbers up to ${maxRepositories}`);
}

const progress = lineProgress((line) => process.stderr.write(line));
const results: Measurement[] = [];
for (const layout of layouts) {
  for (const repositories of counts) {
    const point = `${repositories} repositories, ${layout.name}`;
    results.push(await progress.during(point, () => measure(layout, repositories)));
  }
}
process.stdout.write(`${json ? JSON.stringify(results) : tableOf(results)}\n`);

/** In a process of its own: nothing is left of the point before, and its peak is its own. */
async function measure(layout: Layout, repositories: number): Promise<Measurement> {
  const server = await startPlacementServer(layout, repositories);
  const child = fork(fileURLToPath(new URL('measure.ts', import.meta.url)));
  const signal = AbortSignal.timeout(limitMs);
  try {
    const address = `127.0.0.1:${server.port}`;
    child.send({ name: layout.name, repositories, address } satisfies Order);
    const answer: unknown[] = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the measurement has ended with ${String(code)}`);
      }),
    ]);
    return answer[0] as Measurement;
  } finally {
    child.kill();
    await server.stop();
  }
}

function tableOf(measurements: readonly Measurement[]): string {
  const right = { align: 'right' } as const;
  const columns = [
    { heading: 'REPLICAS' },
    { heading: 'REPOSITORIES', ...right },
    { heading: 'STORAGES', ...right },
    { heading: 'SETS', ...right },
    { heading: 'GO TOGETHER', ...right },
    { heading: 'LIST CPU MS', ...right },
    { heading: 'FIRST PLAN MS', ...right },
    { heading: 'LATER PLAN MS', ...right },
    { heading: 'PEAK MIB', ...right },
  ];
  const rows = measurements.map((one) => [
    one.name,
    ...[one.repositories, one.storages, one.sets, one.group].map(String),
    ...[one.listCpuMs, one.firstPlanMs, one.laterPlanMs, one.peakMiB].map(Math.round).map(String),
  ]);
  return formatTable(columns, rows);
}
