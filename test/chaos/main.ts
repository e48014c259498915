/** Chaos on the testbed: `npm run chaos -- --help`. */
import { Command, InvalidArgumentError } from 'commander';
import { parseCount } from '../../src/cli/count.ts';
import { installOperator } from '../scenario/product.ts';
import { openCluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { positiveNumber } from '../support/option-numbers.ts';
import { type ChaosReport, runChaos } from './chaos.ts';
import { faultNames } from './schedule.ts';

interface Options {
  readonly minutes?: number;
  readonly faults?: number;
  readonly seed: number;
  readonly repositories: number;
  readonly only?: readonly string[];
  readonly history?: string;
  readonly json?: boolean;
}

const usualFaults = 200;

const { json, minutes, faults, only, history, ...given } = new Command('chaos')
  .description(
    `Writes to repositories on the testbed and reads from them while storages, proxies, nodes, the database and the ` +
      `operator are killed, hung, cut off, filled and restarted. Then checks that everything takes writes again by ` +
      `itself, that replicas are equal, and that no read lacks what was acknowledged before it.`,
  )
  .option('--faults <number>', `how many faults; ${usualFaults} if no time is given`, parseCount)
  .option('--minutes <number>', 'for how long', positiveNumber)
  .option('--seed <number>', 'which faults', parseCount, 1)
  .option(
    '--only <faults>',
    `only these, with commas between: ${faultNames.join(', ')}`,
    parseFaults,
  )
  .option('--repositories <number>', 'how many repositories', parseCount, 50)
  .option('--history <file>', 'where to write all that clients did and saw')
  .option('--json', 'the figures as JSON')
  .parse()
  .opts<Options>();

const progress = lineProgress((line) => process.stderr.write(line));
const cluster = await openCluster(progress);
const { nodes } = cluster;
if (nodes === undefined) throw new Error('unset KUBECONFIG: chaos is for the testbed alone');
await progress.during('the operator', () => installOperator(cluster));
const report = await runChaos({
  ...given,
  ...(minutes !== undefined && { minutes }),
  ...(faults !== undefined && { faults }),
  ...(minutes === undefined && faults === undefined && { faults: usualFaults }),
  ...(only !== undefined && { only }),
  ...(history !== undefined && { historyFile: history }),
  cluster: { ...cluster, nodes },
  namespace: 'gitaly-chaos',
  progress,
});
console.log(json === true ? JSON.stringify(report) : textOf(report));
process.exit(report.violations.length + report.staleReads.length > 0 ? 1 : 0);

function parseFaults(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !faultNames.includes(name));
  if (unknown.length > 0) throw new InvalidArgumentError(`there is no ${unknown.join(', ')}.`);
  return names;
}

function textOf({
  failed,
  violations,
  staleReads,
  wentBack,
  historyFile,
  ...report
}: ChaosReport): string {
  const failures = Object.entries(failed).map(([what, count]) => `  ${count} ${what}`);
  return [
    `seed ${report.seed}: ${report.faults} faults in ${report.minutes} minutes, ${report.repositories} repositories`,
    `${report.acknowledged} of ${report.writes} writes acknowledged, ${report.reads} reads`,
    `a repository refused all writes for ${seconds(report.longestRefusalMs)} at most, ` +
      `all of them did for ${seconds(report.longestSilenceMs)}`,
    ...(failures.length > 0 ? ['failed:', ...failures] : []),
    `seen before it was acknowledged, and then not: ${wentBack.length}`,
    ...wentBack,
    `reads without what was acknowledged: ${staleReads.length}`,
    ...staleReads,
    `violations: ${violations.length}`,
    ...violations,
    ...(historyFile === undefined ? [] : [`history: ${historyFile}`]),
  ].join('\n');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
