import type { Cluster } from '../testbed/cluster.ts';
import type { Progress } from '../testbed/progress.ts';
import {
  exampleManifest,
  GitalyClusterUnderTest,
  virtualStorage,
} from '../scenario/gitaly-cluster.ts';
import type { Git } from '../scenario/git.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { killPod } from '../scenario/pods.ts';
import { freshNamespace, installOperator } from '../scenario/product.ts';
import { longestGapMs, PushStream, refusedMs } from '../scenario/push-stream.ts';
import { checkReplicas } from '../scenario/replica-check.ts';

/** What the demo found, for programs. */
export interface DemoSummary {
  readonly commitsPushed: number;
  readonly cloneIsEqual: boolean;
  readonly primaryBefore: string;
  /** Who was the primary while that one was away. */
  readonly tookOver: string;
  readonly pushesAcknowledged: number;
  readonly pushesRefused: number;
  /** From the first refused push to the next acknowledged one, after the kill. */
  readonly writesRefusedMs: number;
  /** Longest time between two acknowledgements in the whole stream. */
  readonly longestGapMs: number;
  readonly replicasInSync: readonly string[];
  readonly replicasEqual: boolean;
  readonly acknowledgedPushesLost: number;
}

const namespace = 'gitaly-demo';
const pushesBeforeKill = 5;
const pushesAfterKill = 10;

/** Plays the demo on a cluster that is up. */
export async function playDemo(cluster: Cluster, progress: Progress): Promise<DemoSummary> {
  await progress.during('installing the operator', () => installOperator(cluster));
  await progress.during(`an empty namespace ${namespace}`, () =>
    freshNamespace(cluster, namespace),
  );
  await progress.during('installing a stand-in for GitLab, which Gitaly asks about pushes', () =>
    installGitlab(cluster, namespace),
  );
  const underTest = new GitalyClusterUnderTest(cluster, namespace);
  try {
    const manifest = await exampleManifest(cluster, namespace);
    await progress.during('applying examples/gitalycluster.yaml', () => underTest.apply(manifest));
    const git = await underTest.git();
    return await playOn(underTest, git, progress);
  } finally {
    await underTest.stop();
  }
}

async function playOn(
  underTest: GitalyClusterUnderTest,
  git: Git,
  progress: Progress,
): Promise<DemoSummary> {
  const client = await underTest.client();
  const relativePath = `demo/${Date.now()}.git`;
  await client.repository.createRepository({
    repository: { storageName: virtualStorage, relativePath },
  });
  const url = git.url(relativePath);
  progress.say(`created ${url}`);

  const head = await git.git('.', ['rev-parse', 'HEAD']);
  const commits = Number(await git.git('.', ['rev-list', '--count', 'HEAD']));
  await progress.during(`pushing this project's ${commits} commits`, () =>
    git.git('.', ['push', '-q', url, 'HEAD:refs/heads/main']),
  );
  const clone = git.folder('clone');
  await progress.during('cloning them back', () =>
    git.git('.', ['clone', '-q', '--branch', 'main', url, clone]),
  );
  await git.git(clone, ['fsck', '--no-progress']);
  const cloneIsEqual = (await git.git(clone, ['rev-parse', 'HEAD'])) === head;
  progress.say(`the clone ${cloneIsEqual ? 'is equal' : 'DIFFERS'}`);

  const before = await underTest.repository(client, relativePath);
  const stream = await PushStream.create(git, relativePath);
  stream.start();
  await progress.during(`${pushesBeforeKill} pushes`, () => stream.more(pushesBeforeKill, 120_000));
  const killedMs = performance.now();
  progress.say(`killing pod ${before.primary}, the primary, while pushes go on`);
  await killPod(underTest.cluster, namespace, before.primary);
  const tookOver = await progress.during('another storage to take over', () =>
    underTest.waitUntilPrimaryIsNot(client, relativePath, before.primary),
  );
  await progress.during(`${pushesAfterKill} more pushes`, () =>
    stream.more(pushesAfterKill, 120_000),
  );
  await stream.stop();

  const status = await progress.during('waiting until the old primary is in sync again', () =>
    underTest.waitUntilInSync(client, relativePath),
  );
  await underTest.waitUntilSafe();
  const check = await checkReplicas(underTest, status, stream.expectedRefs);
  const summary: DemoSummary = {
    commitsPushed: commits,
    cloneIsEqual,
    primaryBefore: before.primary,
    tookOver,
    pushesAcknowledged: stream.acknowledged.length,
    pushesRefused: stream.attempts.length - stream.acknowledged.length,
    writesRefusedMs: Math.round(refusedMs(stream.attempts, killedMs)),
    longestGapMs: Math.round(longestGapMs(stream.attempts)),
    replicasInSync: check.replicas,
    replicasEqual: check.equal,
    acknowledgedPushesLost: check.lost.length,
  };
  await tell(underTest, summary, progress);
  return summary;
}

async function tell(
  underTest: GitalyClusterUnderTest,
  summary: DemoSummary,
  progress: Progress,
): Promise<void> {
  progress.say('kubectl get gitalyclusters -o wide');
  for (const line of (await underTest.table()).trimEnd().split('\n')) progress.say(`  ${line}`);
  progress.say(`${summary.tookOver} took over from ${summary.primaryBefore}`);
  progress.say(
    `${summary.pushesAcknowledged} pushes acknowledged, ${summary.pushesRefused} refused; ` +
      `writes were refused for ${summary.writesRefusedMs} ms, ` +
      `the longest gap between two acknowledgements was ${summary.longestGapMs} ms`,
  );
  progress.say(
    summary.acknowledgedPushesLost === 0 && summary.replicasEqual
      ? `every acknowledged push is on each of ${summary.replicasInSync.join(', ')}`
      : `LOST: ${summary.acknowledgedPushesLost} refs of acknowledged pushes`,
  );
}
