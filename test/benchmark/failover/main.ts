/**
 * How long writes stop when the primary is lost, with processes of this machine: `npm run benchmark:failover`.
 * Writes are made one after the other without a pause, and again when they are refused. What counts is
 * the longest time between two acknowledgements, of any writer, from the loss on. Meanwhile reads go
 * through both proxies, each made once. The last line is JSON.
 *
 * - `--fault kill` (default): SIGKILL; `hang`: SIGSTOP; `database`: it is the database that is killed;
 * - `--kills N`: how often; default 50;
 * - `--writers N`: how many write at the time; default 4. With 0 the first write comes when the primary
 *   is lost already;
 * - `--away S`: how many seconds the database stays away; default 60.
 */
import { parseArgs } from 'node:util';
import { lineProgress } from '../../testbed/progress.ts';
import { loseDatabase } from './database-loss.ts';
import { losePrimary } from './primary-loss.ts';
import { ProcessCluster } from './process-cluster.ts';
import { summarize, type Loss } from './summary.ts';

const { values } = parseArgs({
  options: {
    fault: { type: 'string', default: 'kill' },
    kills: { type: 'string', default: '50' },
    writers: { type: 'string', default: '4' },
    away: { type: 'string', default: '60' },
  },
});
const writers = Number(values.writers);

const faults: Readonly<Record<string, (cluster: ProcessCluster) => Promise<Loss>>> = {
  kill: (cluster) => losePrimary(cluster, { signal: 'SIGKILL', writers }),
  hang: (cluster) => losePrimary(cluster, { signal: 'SIGSTOP', writers }),
  database: (cluster) => loseDatabase(cluster, { awayMs: Number(values.away) * 1000, writers }),
};
const lose = faults[values.fault];
if (lose === undefined) throw new Error(`--fault is one of ${Object.keys(faults).join(', ')}`);

const progress = lineProgress((line) => process.stderr.write(line));
const cluster = await progress.during('starting', () => ProcessCluster.start());
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cluster.stop().finally(() => process.exit(1)));
}
const losses: Loss[] = [];
for (let number = 1; number <= Number(values.kills); number++) {
  const loss = await lose(cluster);
  losses.push(loss);
  const { lost, gapMs, refusals, reads, longestReadMs } = loss;
  progress.say(
    `${number}: ${lost} lost; gap ${Math.round(gapMs)} ms, refused ${JSON.stringify(refusals)}, ` +
      `${reads} reads, the longest ${Math.round(longestReadMs)} ms`,
  );
}
await cluster.stop();
process.stdout.write(`${JSON.stringify({ fault: values.fault, writers, ...summarize(losses) })}\n`);
process.exit(0);
