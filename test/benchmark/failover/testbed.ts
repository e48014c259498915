/** How long writes stop on the testbed when a primary is lost: `npm run benchmark:failover:testbed -- --help`. */
import { Command, Option } from 'commander';
import { parseCount } from '../../../src/cli/count.ts';
import type { GitalyClient } from '../../../src/client/gitaly-client.ts';
import {
  exampleManifest,
  GitalyClusterUnderTest,
  virtualStorage,
} from '../../scenario/gitaly-cluster.ts';
import { installGitlab } from '../../scenario/gitlab.ts';
import { killPod, podsOf, waitForNode } from '../../scenario/pods.ts';
import { freshNamespace, installOperator } from '../../scenario/product.ts';
import { commitFile } from '../../support/commit-file.ts';
import { openCluster, type Cluster } from '../../testbed/cluster.ts';
import { lineProgress } from '../../testbed/progress.ts';
import { percentilesOf } from './summary.ts';
import { WriteLoop } from './write-loop.ts';

const namespace = 'gitaly-benchmark';

interface Loss {
  readonly primary: string;
  readonly gapMs: number;
  /** Writes that were refused, and made again. */
  readonly refused: number;
  /** Until every replica was in sync again. */
  readonly repairedMs: number;
}

/** What is done to a primary's pod. */
interface Fault {
  strike(): Promise<void>;
  mend(): Promise<void>;
}

type FaultOf = (cluster: Cluster, pod: string, node: string) => Fault;

const faults: Readonly<Record<'pod' | 'node', FaultOf>> = {
  pod: (cluster, pod) => ({
    strike: () => killPod(cluster, namespace, pod),
    async mend() {},
  }),
  node: ({ nodes, ...cluster }, _pod, node) => ({
    async strike() {
      if (nodes === undefined) throw new Error('nodes of this cluster are not ours to break');
      await nodes.powerOff(node);
    },
    async mend() {
      await nodes?.powerOn(node);
      await waitForNode({ nodes, ...cluster }, node, true);
    },
  }),
};

async function measure(
  underTest: GitalyClusterUnderTest,
  client: GitalyClient,
  faultOf: FaultOf,
): Promise<Loss> {
  const { cluster } = underTest;
  const { relativePath, primary, node } = await newRepository(underTest, client);
  const fault = faultOf(cluster, primary, node);
  const writes = await WriteLoop.prepare(client, { storageName: virtualStorage, relativePath });
  writes.begin();
  await writes.more(20, 30_000);
  const struckMs = performance.now();
  await fault.strike();
  // A pod dies some time after it was told to: writes go on until another primary has taken over.
  await underTest.waitUntilPrimaryIsNot(client, relativePath, primary);
  await writes.more(20, 60_000);
  await writes.stop();
  await fault.mend();
  await underTest.waitUntilInSync(client, relativePath);
  const repairedMs = performance.now() - struckMs;
  await underTest.waitUntilSafe();
  const refused = [...writes.refusals.values()].reduce((sum, count) => sum + count, 0);
  return { primary, gapMs: writes.longestGapMs(struckMs), refused, repairedMs };
}

/** One whose primary is on another node than the database, which is one of a kind. */
async function newRepository(underTest: GitalyClusterUnderTest, client: GitalyClient) {
  const pods = await podsOf(underTest.cluster, namespace, 'gitaly.dev/cluster=gitaly');
  const nodeOf = (pod: string) => pods.find(({ name }) => name === pod)?.node ?? '';
  for (let attempt = 1; attempt <= 20; attempt++) {
    const relativePath = `benchmark/${Date.now()}-${attempt}.git`;
    const repository = { storageName: virtualStorage, relativePath };
    await client.repository.createRepository({ repository });
    for (const text of ['first', 'second']) {
      await commitFile(client, { repository, branch: 'main', text });
    }
    const { primary } = await underTest.waitUntilInSync(client, relativePath);
    const node = nodeOf(primary);
    if (node !== nodeOf('gitaly-database-0')) return { relativePath, primary, node };
  }
  throw new Error('every primary is on the node of the database');
}

function summarize(fault: string, losses: readonly Loss[]) {
  return {
    fault,
    losses: losses.length,
    gapMs: percentilesOf(losses.map(({ gapMs }) => gapMs)),
    refusedWrites: losses.reduce((sum, { refused }) => sum + refused, 0),
    longestRepairMs: Math.round(Math.max(...losses.map(({ repairedMs }) => repairedMs))),
  };
}

const { fault, kills } = new Command('npm run benchmark:failover:testbed --')
  .description(
    'Kills primaries on the testbed. Writes go on without a pause; the gap is the longest time between two ' +
      'acknowledgements around the loss. The last line is JSON.',
  )
  .addOption(
    new Option('--fault <what>', 'what the primary loses: its pod, or the power of its whole node')
      .choices(Object.keys(faults))
      .default('pod'),
  )
  .option('--kills <number>', 'how often', parseCount, 20)
  .parse()
  .opts<{ readonly fault: keyof typeof faults; readonly kills: number }>();

const progress = lineProgress((line) => process.stderr.write(line));
const cluster = await openCluster(progress);
await progress.during('installing the operator', () => installOperator(cluster));
await freshNamespace(cluster, namespace);
await installGitlab(cluster, namespace);
const underTest = new GitalyClusterUnderTest(cluster, namespace);
const manifest = await exampleManifest(cluster, namespace);
await progress.during('the cluster under test', () => underTest.apply(manifest));
const client = await underTest.client();

const losses: Loss[] = [];
for (let number = 1; number <= kills; number++) {
  const loss = await measure(underTest, client, faults[fault]);
  losses.push(loss);
  const { primary, gapMs, refused, repairedMs } = loss;
  progress.say(
    `${number}: ${primary} lost; gap ${Math.round(gapMs)} ms, ${refused} writes refused, ` +
      `in sync again after ${Math.round(repairedMs)} ms`,
  );
}
await underTest.stop();
process.stdout.write(`${JSON.stringify(summarize(fault, losses))}\n`);
process.exit(0);
