/** The proxy beside a bare Go relay: `npm run bench -- --help`. */
import { Command } from 'commander';
import { parseCount } from '../../../src/cli/count.ts';
import { formatTable } from '../../../src/cli/table.ts';
import { lineProgress } from '../../testbed/progress.ts';
import { positiveNumber } from '../../support/option-numbers.ts';
import { Benchmark, heldStreams } from './benchmark.ts';
import { compare, missed, type Comparison, type Round, type Sample } from './comparison.ts';
import { measureCurve } from './curve.ts';
import { measureWorkers } from './worker-gain.ts';
import { workloads, type Extent, type Workload } from './workloads.ts';

interface Options {
  readonly quick?: boolean;
  readonly rounds: number;
  readonly only: string;
  readonly curve?: boolean;
  readonly workers?: boolean;
  readonly share?: number;
}

const values = new Command('npm run bench --')
  .description(
    'Measures the proxy beside a bare relay in Go, in one run on one machine. Both stand before the same storages, ' +
      'which do nothing, and get the same load in turns. The last line is JSON.',
  )
  .option('--quick', 'everything once and short, to see that it works')
  .option('--rounds <number>', 'rounds of each work, whose median counts', parseCount, 7)
  .option('--only <text>', 'works whose name contains it', '')
  .option('--curve', 'instead: what a call costs with more and more repositories and connections')
  .option('--workers', 'instead: a proxy with one worker beside one with two')
  .option(
    '--share <cores>',
    'with --workers, as root: each is held to so much of a core, so that a small machine has something to share out',
    positiveNumber,
  )
  .parse()
  .opts<Options>();
const progress = lineProgress((line) => process.stderr.write(line));
const extent: Extent = values.quick
  ? { rounds: 1, ms: 100, streamBytes: 1024 * 1024 }
  : { rounds: values.rounds, ms: 1500, streamBytes: 64 * 1024 * 1024 };

async function run(): Promise<readonly Comparison[]> {
  const chosen = workloads.filter(({ name }) => name.includes(values.only));
  const benchmark = await progress.during('starting', () => Benchmark.start());
  try {
    const rounds = await measureAll(benchmark, chosen);
    const comparisons = chosen.map((workload) => compare(workload, rounds.get(workload) ?? []));
    print(chosen, rounds, comparisons);
    const { proxy, go } = await benchmark.memoryMiB();
    const { open, stalled } = heldStreams;
    process.stdout.write(
      `memory with ${open} open streams, ${stalled} of them not read: ` +
        `proxy ${Math.round(proxy)} MiB, Go ${Math.round(go)} MiB\n`,
    );
    return comparisons;
  } finally {
    await benchmark.stop();
  }
}

/** All works once, then all again: a slow minute of the machine falls on all of them. */
async function measureAll(benchmark: Benchmark, chosen: readonly Workload[]) {
  const rounds = new Map<Workload, Round[]>(chosen.map((workload) => [workload, []]));
  if (!values.quick) {
    // A proxy runs for weeks: the seconds in which its code is compiled say nothing about it.
    const warmUp = { ...extent, ms: 4000 };
    await progress.during('warming up', async () => {
      for (const workload of chosen) await benchmark.round(workload, warmUp, 0);
    });
  }
  for (let number = 1; number <= extent.rounds; number++) {
    await progress.during(`round ${number} of ${extent.rounds}`, async () => {
      for (const [workload, done] of rounds) {
        done.push(await benchmark.round(workload, extent, number));
      }
    });
  }
  return rounds;
}

function print(
  chosen: readonly Workload[],
  rounds: ReadonlyMap<Workload, readonly Round[]>,
  comparisons: readonly Comparison[],
): void {
  const rows = chosen.map((workload, index) => {
    const comparison = comparisons[index];
    const last = rounds.get(workload)?.at(-1);
    if (comparison === undefined || last === undefined) throw new Error('a work has no figures');
    const { throughputRatio, cpuRatio, p99Ratio } = comparison;
    const misses = missed(workload.bar, comparison);
    return [
      workload.name,
      String(workload.concurrency),
      throughputRatio.toFixed(2),
      cpuRatio?.toFixed(2) ?? '',
      p99Ratio.toFixed(2),
      misses.length === 0 ? 'met' : misses.join(', '),
      perUnit(last),
    ];
  });
  const right = { align: 'right' } as const;
  const columns = [
    { heading: 'WORK' },
    { heading: 'AT ONCE', ...right },
    { heading: 'THROUGHPUT', ...right },
    { heading: 'CPU', ...right },
    { heading: 'P99', ...right },
    { heading: 'BAR' },
    { heading: 'LAST ROUND, PROXY AND GO' },
  ];
  process.stdout.write(`as multiples of the Go relay's\n\n${formatTable(columns, rows)}\n\n`);
}

/** Absolute figures, which only say how busy the machine is: CPU a call in us, or a GiB in ms. */
function perUnit({ proxy, go }: Round): string {
  const isStream = proxy.units > 1024 ** 2;
  const cost = ({ units, cpuMs }: Sample) =>
    isStream ? (cpuMs / units) * 1024 ** 3 : (cpuMs / units) * 1000;
  const unit = isStream ? 'ms/GiB' : 'us/call';
  return `${Math.round(cost(proxy))} and ${Math.round(cost(go))} ${unit}`;
}

if (values.curve) {
  await measureCurve(extent, progress);
} else if (values.workers) {
  const { only, share } = values;
  await measureWorkers({ only, extent, share }, progress);
} else {
  const comparisons = await run();
  process.stdout.write(`${JSON.stringify(comparisons)}\n`);
}
process.exit(0);
