/**
 * What it takes to plan which storages may go together: `npm run benchmark:plan`. All of 160 storages should go, and as
 * many as may. Each point has a process of its own.
 *
 * - `--repositories N,M`: how many, up to 10,000,000; default 1000,10000,100000,1000000;
 * - `--json`: prints JSON instead of a table.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../../../src/cli/table.ts';
import { lineProgress } from '../../testbed/progress.ts';
import { layouts } from './layouts.ts';
import type { Measurement, Order } from './measure.ts';

const maxRepositories = 10_000_000;
const limitMs = 120_000;

const { values } = parseArgs({
  options: {
    repositories: { type: 'string', default: '1000,10000,100000,1000000' },
    json: { type: 'boolean', default: false },
  },
});
const counts = values.repositories.split(',').map(Number);
if (!counts.every((count) => Number.isInteger(count) && count > 0 && count <= maxRepositories)) {
  throw new Error(`--repositories takes numbers of 1 to ${maxRepositories}, and commas between`);
}

const progress = lineProgress((line) => process.stderr.write(line));
const results: Measurement[] = [];
for (const { name } of layouts) {
  for (const repositories of counts) {
    const point = `${repositories} repositories, ${name}`;
    results.push(await progress.during(point, () => measureAlone({ name, repositories })));
  }
}
process.stdout.write(`${values.json ? JSON.stringify(results) : tableOf(results)}\n`);

/** In a process of its own: nothing is left of the point before, and its peak is its own. */
async function measureAlone(order: Order): Promise<Measurement> {
  const program = fileURLToPath(new URL('measure.ts', import.meta.url));
  const child = fork(program, { execArgv: [...process.execArgv, '--expose-gc'] });
  const signal = AbortSignal.timeout(limitMs);
  try {
    child.send(order);
    const answer: unknown[] = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the measurement has ended with ${String(code)}`);
      }),
    ]);
    return answer[0] as Measurement;
  } finally {
    child.kill();
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
    { heading: 'FIRST MS', ...right },
    { heading: 'LATER MS', ...right },
    { heading: 'INPUT MIB', ...right },
    { heading: 'PEAK MIB', ...right },
  ];
  const rows = measurements.map((one) => [
    one.name,
    ...[one.repositories, one.storages, one.sets, one.group].map(String),
    ...[one.firstMs, one.medianMs, one.inputMiB, one.peakMiB].map((value) => value.toFixed(0)),
  ]);
  return formatTable(columns, rows);
}
