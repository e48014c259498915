/** The main job, on a real Kubernetes on this machine: `npm run demo -- --help`. */
import { Command } from 'commander';
import { errorMessage } from '../../src/base/errors.ts';
import { openCluster } from '../testbed/cluster.ts';
import { lineProgress, silentProgress } from '../testbed/progress.ts';
import { run } from '../testbed/run.ts';
import { playDemo } from './play-demo.ts';

const { json } = new Command('npm run demo --')
  .description(
    `Brings the testbed up, installs the product, pushes a real history, and kills the primary's pod under a stream ` +
      'of pushes. It can be run again; `npm run testbed -- down` removes everything.',
  )
  .option('--json', 'no progress, only the figures')
  .parse()
  .opts<{ readonly json?: boolean }>();
const progress = json ? silentProgress : lineProgress((line) => process.stdout.write(line));

try {
  await progress.during('building the product', () =>
    run('npm', ['run', '-s', 'build'], { limitMs: 120_000 }),
  );
  const cluster = await openCluster(progress);
  const summary = await playDemo(cluster, progress);
  process.stdout.write(`${JSON.stringify(summary)}\n`);
  process.exitCode = summary.acknowledgedPushesLost === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`The demo failed: ${errorMessage(error)}\n`);
  process.stderr.write('`npm run testbed -- status` shows the testbed, `-- down` removes it.\n');
  process.exitCode = 1;
}
