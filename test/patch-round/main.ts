/** Patches the nodes of many storages, and measures: `npm run patch-round -- --help`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { parseCount } from '../../src/cli/count.ts';
import { positiveNumber } from '../support/option-numbers.ts';
import { lineProgress } from '../testbed/progress.ts';
import { Pace } from './pace.ts';
import { playRound } from './round.ts';
import { brokenPromises, describeRound, resultOf } from './round-result.ts';
import { schedulePicture } from './schedule-picture.ts';
import { givenArguments, isSealed, runSealedAgain } from './sealed.ts';
import { buildPrograms } from './simulated-cluster.ts';

const zoneCount = 3;

interface Options {
  readonly nodes?: boolean;
  readonly storages: number;
  readonly repositories: number;
  readonly groupSize?: number;
  readonly speed: number;
  readonly picture?: string;
}

const options = new Command('npm run patch-round --')
  .description(
    'Patches the nodes of many storages, and measures: see docs/rollout.md. Real are etcd, the API server, its ' +
      'controllers, the scheduler and the operator; nodes, pods (by kwok) and proxies are simulated. Needs root and ' +
      'Go; the first time builds Kubernetes. The last line is JSON. Fails if a promise is broken.',
  )
  .option(
    '--nodes',
    'by a GitalyMaintenance of their nodes; by default by a new image, for which they boot',
  )
  .option('--storages <number>', 'how many', parseCount, 160)
  .option('--repositories <number>', 'how many', parseCount, 1_000_000)
  .option(
    '--group-size <number>',
    'storages that may go together; by default a zone of them',
    parseCount,
  )
  .option(
    '--speed <number>',
    'how many minutes of the round a minute of the machine is, what is real included',
    positiveNumber,
    4,
  )
  .option('--picture <file>', 'where the schedule is drawn, as SVG')
  .parse([...givenArguments()], { from: 'user' })
  .opts<Options>();
const progress = lineProgress((line) => process.stderr.write(line));

if (isSealed()) await main();
else {
  // Modules may have to be fetched, for which it takes the machine's network.
  await buildPrograms(progress);
  process.exitCode = await runSealedAgain();
}

async function main(): Promise<void> {
  const { storages, repositories, groupSize = Math.ceil(storages / zoneCount) } = options;
  const pace = new Pace(options.speed);
  const folder = await mkdtemp(join(tmpdir(), 'patch-round-'));
  progress.say(`logs are in ${folder} until the end, or for good if it fails`);
  const work = options.nodes ? 'nodes' : 'image';
  const size = { storages, repositories, groupSize };
  const outcome = await playRound({ work, ...size, pace, progress, folder });
  await rm(folder, { recursive: true, force: true });
  if (options.picture !== undefined) {
    await writeFile(options.picture, schedulePicture(outcome, pace));
  }
  const result = resultOf({ repositories, pace }, outcome);
  process.stdout.write(`${describeRound({ groupSize, pace }, outcome)}\n`);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  const broken = brokenPromises(result, outcome);
  for (const text of broken) process.stderr.write(`${text}\n`);
  // What is left of the cluster ends with this process.
  process.exit(broken.length === 0 ? 0 : 1);
}
