/**
 * Patches the nodes of 160 storages with 1,000,000 repositories, and measures: `npm run patch-round`. See
 * docs/rollout.md. Real are etcd, the API server, its controllers, the scheduler and the operator; nodes, pods (by kwok)
 * and proxies are simulated. Needs root and Go; the first time builds Kubernetes.
 *
 * - `--nodes`: patches their nodes with a GitalyMaintenance; by default they get a new image, and boot their nodes;
 * - `--storages N`, `--repositories N`: default 160 and 1,000,000;
 * - `--group-size N`: default a zone at a time;
 * - `--speed N`: how many minutes of the round a minute of the machine is, what is real included; default 4;
 * - `--picture FILE`: where the schedule is drawn, as SVG.
 *
 * The last line that it prints is JSON. It fails if a promise is broken.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lineProgress } from '../testbed/progress.ts';
import { Pace } from './pace.ts';
import { playRound } from './round.ts';
import { brokenPromises, describeRound, resultOf } from './round-result.ts';
import { schedulePicture } from './schedule-picture.ts';
import { givenArguments, isSealed, runSealedAgain } from './sealed.ts';
import { buildPrograms } from './simulated-cluster.ts';

const zoneCount = 3;

const { values } = parseArgs({
  args: [...givenArguments()],
  options: {
    nodes: { type: 'boolean', default: false },
    storages: { type: 'string', default: '160' },
    repositories: { type: 'string', default: '1000000' },
    'group-size': { type: 'string' },
    speed: { type: 'string', default: '4' },
    picture: { type: 'string' },
  },
});
const progress = lineProgress((line) => process.stderr.write(line));

if (isSealed()) await main();
else {
  // Modules may have to be fetched, for which it takes the machine's network.
  await buildPrograms(progress);
  process.exitCode = await runSealedAgain();
}

async function main(): Promise<void> {
  const storages = Number(values.storages);
  const repositories = Number(values.repositories);
  const groupSize = Number(values['group-size'] ?? Math.ceil(storages / zoneCount));
  const pace = new Pace(Number(values.speed));
  const folder = await mkdtemp(join(tmpdir(), 'patch-round-'));
  progress.say(`logs are in ${folder} until the end, or for good if it fails`);
  const work = values.nodes ? 'nodes' : 'image';
  const size = { storages, repositories, groupSize };
  const outcome = await playRound({ work, ...size, pace, progress, folder });
  await rm(folder, { recursive: true, force: true });
  if (values.picture !== undefined) {
    await writeFile(values.picture, schedulePicture(outcome, pace));
  }
  const result = resultOf({ repositories, pace }, outcome);
  process.stdout.write(`${describeRound({ groupSize, pace }, outcome)}\n`);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  const broken = brokenPromises(result, outcome);
  for (const text of broken) process.stderr.write(`${text}\n`);
  // What is left of the cluster ends with this process.
  process.exit(broken.length === 0 ? 0 : 1);
}
