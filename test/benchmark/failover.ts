/**
 * How long writes stop when a primary's pod is killed: `npm run benchmark:failover -- --kills 20`.
 * Writes go on without a pause; the gap is the time between two acknowledgements around the kill.
 */
import { parseArgs } from 'node:util';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import {
  exampleManifest,
  GitalyClusterUnderTest,
  virtualStorage,
} from '../scenario/gitaly-cluster.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { killPod } from '../scenario/pods.ts';
import { freshNamespace, installOperator } from '../scenario/product.ts';
import { commitFile } from '../support/commit-file.ts';
import { openCluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { WriteLoop } from './write-loop.ts';

const namespace = 'gitaly-benchmark';

interface Kill {
  readonly primary: string;
  /** The longest time between two acknowledgements around the kill. */
  readonly gapMs: number;
  /** Writes that were refused, and made again. */
  readonly refused: number;
  /** Until every replica was in sync again. */
  readonly repairedMs: number;
}

async function measure(
  underTest: GitalyClusterUnderTest,
  client: GitalyClient,
  relativePath: string,
): Promise<Kill> {
  const repository = { storageName: virtualStorage, relativePath };
  const { primary } = await underTest.waitUntilInSync(client, relativePath);
  const writes = await WriteLoop.start(client, repository);
  await writes.more(20, 30_000);
  const killedMs = performance.now();
  await killPod(underTest.cluster, namespace, primary);
  // The pod dies some time after it was told to: writes go on until one of another primary is done.
  await underTest.waitUntilPrimaryIsNot(client, relativePath, primary);
  await writes.more(20, 60_000);
  await writes.stop();
  await underTest.waitUntilInSync(client, relativePath);
  const repairedMs = performance.now() - killedMs;
  return { primary, gapMs: writes.longestGapMs, refused: writes.refused, repairedMs };
}

function summarize(kills: readonly Kill[]) {
  const gaps = kills.map(({ gapMs }) => gapMs).toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(gaps[Math.ceil(share * gaps.length) - 1] ?? 0);
  return {
    kills: kills.length,
    gapMs: { median: at(0.5), p90: at(0.9), max: at(1) },
    refusedWrites: kills.reduce((sum, { refused }) => sum + refused, 0),
    repairedMs: Math.round(Math.max(...kills.map(({ repairedMs }) => repairedMs))),
  };
}

const { values } = parseArgs({ options: { kills: { type: 'string', default: '20' } } });
const progress = lineProgress((line) => process.stderr.write(line));
const cluster = await openCluster(progress);
await progress.during('installing the operator', () => installOperator(cluster));
await freshNamespace(cluster, namespace);
await installGitlab(cluster, namespace);
const underTest = new GitalyClusterUnderTest(cluster, namespace);
const manifest = await exampleManifest(cluster, namespace);
await progress.during('the cluster under test', () => underTest.apply(manifest));
const client = await underTest.client();
const relativePath = 'benchmark/failover.git';
const repository = { storageName: virtualStorage, relativePath };
await client.repository.createRepository({ repository });
await commitFile(client, { repository, branch: 'main', text: 'first' });

const kills: Kill[] = [];
for (let number = 1; number <= Number(values.kills); number++) {
  const kill = await measure(underTest, client, relativePath);
  kills.push(kill);
  const { primary, gapMs, refused, repairedMs } = kill;
  progress.say(
    `${number}: ${primary} killed; gap ${Math.round(gapMs)} ms, ${refused} writes refused, ` +
      `in sync again after ${Math.round(repairedMs)} ms`,
  );
}
await underTest.stop();
process.stdout.write(`${JSON.stringify(summarize(kills))}\n`);
process.exit(0);
