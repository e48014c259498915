import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { seededRandom } from '../../src/base/random.ts';
import { Scope } from '../../src/base/scope.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { exampleManifest, GitalyClusterUnderTest } from '../scenario/gitaly-cluster.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import type { Git } from '../scenario/git.ts';
import { dropNamespace, freshNamespace } from '../scenario/product.ts';
import type { Cluster } from '../testbed/cluster.ts';
import type { NodeFaults } from '../testbed/faults.ts';
import type { Progress } from '../testbed/progress.ts';
import {
  type ChaosRepository,
  type CommitPool,
  createChaosRepository,
  createCommitPool,
} from './chaos-repository.ts';
import { FaultRunner } from './fault-runner.ts';
import { type Findings, finalCheck } from './final-check.ts';
import { Recorder } from './recorder.ts';
import { RegisterHistory } from './register-history.ts';
import { wavesOf } from './schedule.ts';
import { type Figures, Tally } from './tally.ts';
import { Workload } from './workload.ts';

export interface ChaosOptions {
  readonly cluster: Cluster & { readonly nodes: NodeFaults };
  /** Is made, and removed in the end. */
  readonly namespace: string;
  readonly progress: Progress;
  readonly seed: number;
  readonly repositories: number;
  /** Ends after the wave in which so many faults have struck. */
  readonly faults?: number;
  /** Ends after the wave that is under way then. */
  readonly minutes?: number;
  /** Only these faults strike, see `faultNames`. Default: all. */
  readonly only?: readonly string[];
  /** Where to write all that clients did and saw. Default: a file of its own, and only if something is wrong. */
  readonly historyFile?: string;
}

/** What a run has found. */
export interface ChaosReport extends Figures, Findings {
  readonly seed: number;
  readonly repositories: number;
  readonly faults: number;
  readonly minutes: number;
  /** Where all that clients did and saw was written to, if it was. */
  readonly historyFile?: string;
}

const workers = { mutators: 6, pushers: 2, readers: 4, pauseMs: 150 };
const connections = 6;
const commits = 3000;
const progressMs = 20_000;

/** Before each wave so many more writes are to be acknowledged, but not longer is waited for them. */
const peace = { writes: 30, limitMs: 60_000 };

/** A cluster with repositories. */
interface Prepared {
  readonly underTest: GitalyClusterUnderTest;
  readonly clients: readonly GitalyClient[];
  readonly git: Git;
  readonly pool: CommitPool;
  readonly repositories: readonly ChaosRepository[];
}

/**
 * Writes to many repositories and reads from them while faults strike, and looks in the end whether all is well.
 *
 * @throws Error if the cluster could not be set up, or if the faults could not be caused or mended
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { progress, seed } = options;
  const scope = new Scope();
  try {
    const prepared = await prepare(options, scope);
    const { underTest, clients, git, pool, repositories } = prepared;
    const [history, tally] = [new RegisterHistory(), new Tally()];
    const recorder = new Recorder(history, tally);
    const random = seededRandom(seed);
    const load = { repositories, clients, git, folder: pool.folder, recorder, random, ...workers };
    const workload = scope.own(new Workload(load));
    const startMs = performance.now();
    const faults = await strike(options, tally);
    await workload.stop();
    const { refs } = workload;
    const findings = await progress.during('the final check', async () => {
      const client = await underTest.client();
      return finalCheck({ underTest, client, repositories, refs, history, recorder });
    });
    const { historyFile = join(tmpdir(), `chaos-${seed}-${process.pid}.jsonl`) } = options;
    const isWrong = [findings.violations, findings.staleReads].flat().length > 0;
    const isToldWhole = options.historyFile !== undefined || isWrong;
    if (isToldWhole) await writeHistory(historyFile, history);
    return {
      seed,
      repositories: repositories.length,
      faults,
      minutes: Math.round((performance.now() - startMs) / 6_000) / 10,
      ...tally.figures,
      ...findings,
      ...(isToldWhole && { historyFile }),
    };
  } finally {
    await scope.stop();
  }
}

async function prepare(options: ChaosOptions, scope: Scope): Promise<Prepared> {
  const { cluster, namespace, progress } = options;
  await freshNamespace(cluster, namespace);
  scope.onStop(() => dropNamespace(cluster, namespace));
  await installGitlab(cluster, namespace);
  const underTest = scope.own(new GitalyClusterUnderTest(cluster, namespace));
  const manifest = await exampleManifest(cluster, namespace);
  await progress.during('the cluster under test', () => underTest.apply(manifest));
  const git = await underTest.git();
  const clients: GitalyClient[] = [];
  while (clients.length < connections) clients.push(await underTest.client());
  const pool = await createCommitPool(git, commits);
  const repositories = await progress.during('the repositories', async () => {
    const made: ChaosRepository[] = [];
    while (made.length < options.repositories) {
      const client = clients[made.length % clients.length] ?? (await underTest.client());
      const relativePath = `chaos/${made.length}.git`;
      made.push(await createChaosRepository({ client, git, pool }, relativePath));
    }
    return made;
  });
  return { underTest, clients, git, pool, repositories };
}

/** Plays waves of faults until it is enough, and resolves with how many faults have struck. */
async function strike(options: ChaosOptions, tally: Tally): Promise<number> {
  const { cluster, namespace, progress, seed, only } = options;
  const { faults = Infinity, minutes = Infinity } = options;
  const runner = new FaultRunner({ cluster, nodes: cluster.nodes, namespace, progress });
  const endMs = performance.now() + minutes * 60_000;
  const nodes = cluster.nodes.names.length;
  const surroundings = { storages: 3, proxies: 2, nodes, ...(only && { only }) };
  const reminder = setInterval(() => {
    progress.say(`${runner.struck} faults, ${JSON.stringify(tally.figures)}`);
  }, progressMs);
  try {
    for (const wave of wavesOf(seed, surroundings)) {
      if (runner.struck >= faults || performance.now() >= endMs) break;
      await runner.play(wave);
      await writesGoOn(tally);
    }
  } finally {
    clearInterval(reminder);
  }
  return runner.struck;
}

/** Else faults would soon strike nothing but what the last ones have left behind. */
async function writesGoOn(tally: Tally): Promise<void> {
  const target = tally.figures.acknowledged + peace.writes;
  const endMs = performance.now() + peace.limitMs;
  while (tally.figures.acknowledged < target && performance.now() < endMs) await setTimeout(250);
}

/** An operation a line, as JSON, with the reference that it is about. */
async function writeHistory(file: string, history: RegisterHistory): Promise<void> {
  const lines: string[] = [];
  for (const [register, operations] of history) {
    for (const operation of operations) lines.push(JSON.stringify({ register, ...operation }));
  }
  await writeFile(file, `${lines.join('\n')}\n`);
}
