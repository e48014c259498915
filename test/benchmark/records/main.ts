/** What a proxy's work costs with more and more repositories: `npm run benchmark:records -- --help`. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { formatTable } from '../../../src/cli/table.ts';
import { startPostgres } from '../../support/postgres-server.ts';
import { lineProgress } from '../../testbed/progress.ts';
import { parseCounts } from '../../support/option-numbers.ts';
import type { Cost, Order } from './records.ts';

const { records: counts } = new Command('npm run benchmark:records --')
  .description(
    'Measures what a proxy does for repositories. Each point has a PostgreSQL with so many records, all of which a ' +
      "storage has fallen behind in, and a process of its own with the proxy's modules. Prints a table of CPU, and as " +
      'its last line JSON.',
  )
  .option(
    '--records <numbers>',
    'how many, with commas between',
    parseCounts,
    [1000, 10_000, 100_000],
  )
  .parse()
  .opts<{ readonly records: readonly number[] }>();

const progress = lineProgress((line) => process.stderr.write(line));
const results: { readonly records: number; readonly costs: readonly Cost[] }[] = [];
for (const records of counts) {
  const costs = await progress.during(`${records} records`, () => measureAlone(records));
  results.push({ records, costs });
}

const [{ costs: first } = { costs: [] }] = results;
const columns = [
  { heading: 'CPU US' },
  ...counts.map((count) => ({ heading: String(count), align: 'right' as const })),
];
const rows = first.map(({ what }, index) =>
  [what].concat(results.map(({ costs }) => (costs[index]?.cpuUs ?? 0).toFixed(1))),
);
process.stdout.write(`${formatTable(columns, rows)}\n${JSON.stringify(results)}\n`);

/** In a process and a database server of its own: nothing is left of the point before. */
async function measureAlone(records: number): Promise<readonly Cost[]> {
  const postgres = await startPostgres();
  const program = fileURLToPath(new URL('measure.ts', import.meta.url));
  const child = fork(program, { execArgv: [...process.execArgv, '--expose-gc'] });
  try {
    const order: Order = { records, database: postgres.coordinates('postgres') };
    child.send(order);
    const answer: unknown[] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the measurement has ended with ${String(code)}`);
      }),
    ]);
    return answer[0] as readonly Cost[];
  } finally {
    child.kill();
    await postgres.stop();
  }
}
