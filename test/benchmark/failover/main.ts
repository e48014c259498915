/** How long writes stop when the primary is lost: `npm run benchmark:failover -- --help`. */
import { Command, Option } from 'commander';
import { parseCount } from '../../../src/cli/count.ts';
import { lineProgress } from '../../testbed/progress.ts';
import { positiveNumber } from '../../support/option-numbers.ts';
import { loseDatabase } from './database-loss.ts';
import { losePrimary } from './primary-loss.ts';
import { ProcessCluster } from './process-cluster.ts';
import { summarize, type Loss } from './summary.ts';

interface Options {
  readonly fault: 'kill' | 'hang' | 'database';
  readonly kills: number;
  readonly writers: number;
  readonly away: number;
}

const { fault, kills, writers, away } = new Command('npm run benchmark:failover --')
  .description(
    'Kills the primary under writers, with processes of this machine. Writes are made one after the other without a ' +
      'pause, and again when they are refused. What counts is the longest time between two acknowledgements, of any ' +
      'writer, from the loss on. Meanwhile reads go through both proxies, each made once. The last line is JSON.',
  )
  .addOption(
    new Option('--fault <what>', 'SIGKILL, SIGSTOP, or it is the database that is killed')
      .choices(['kill', 'hang', 'database'])
      .default('kill'),
  )
  .option('--kills <number>', 'how often', parseCount, 50)
  .option(
    '--writers <number>',
    'how many write at the time; with 0 the first write comes when the primary is lost already',
    (text) => (text === '0' ? 0 : parseCount(text)),
    4,
  )
  .option('--away <seconds>', 'how long the database stays away', positiveNumber, 60)
  .parse()
  .opts<Options>();

const faults: Readonly<Record<Options['fault'], (cluster: ProcessCluster) => Promise<Loss>>> = {
  kill: (cluster) => losePrimary(cluster, { signal: 'SIGKILL', writers }),
  hang: (cluster) => losePrimary(cluster, { signal: 'SIGSTOP', writers }),
  database: (cluster) => loseDatabase(cluster, { awayMs: away * 1000, writers }),
};

const progress = lineProgress((line) => process.stderr.write(line));
const cluster = await progress.during('starting', () => ProcessCluster.start());
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cluster.stop().finally(() => process.exit(1)));
}
const losses: Loss[] = [];
for (let number = 1; number <= kills; number++) {
  const loss = await faults[fault](cluster);
  losses.push(loss);
  const { lost, gapMs, refusals, reads, longestReadMs } = loss;
  progress.say(
    `${number}: ${lost} lost; gap ${Math.round(gapMs)} ms, refused ${JSON.stringify(refusals)}, ` +
      `${reads} reads, the longest ${Math.round(longestReadMs)} ms`,
  );
}
await cluster.stop();
process.stdout.write(`${JSON.stringify({ fault, writers, ...summarize(losses) })}\n`);
process.exit(0);
