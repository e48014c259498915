import { Load } from './load.ts';
import type { ProcessCluster } from './process-cluster.ts';
import type { Loss } from './summary.ts';

export interface PrimaryLossOptions {
  /** SIGKILL, or SIGSTOP for one that hangs and comes back. */
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  /** How many write at the time. 0: one begins when the primary is lost. */
  readonly writers: number;
}

/** Takes the primary away from a repository, and gives it back when writes go on. */
export async function losePrimary(
  cluster: ProcessCluster,
  { signal, writers }: PrimaryLossOptions,
): Promise<Loss> {
  const load = await Load.start(cluster);
  await load.prepareWriters(Math.max(1, writers));
  if (writers > 0) {
    load.beginWriting();
    await load.moreWrites(20, 60_000);
  }
  const { primary } = await cluster.repository(load.relativePath);
  const storage = cluster.storage(primary);
  const struckMs = performance.now();
  storage.signal(signal);
  if (writers === 0) load.beginWriting();
  await load.moreWrites(20, 60_000);
  const gapMs = load.longestGapMs(struckMs);
  const seen = await load.stop();
  if (signal === 'SIGSTOP') storage.signal('SIGCONT');
  else {
    await storage.exited;
    await cluster.startStorage(primary);
  }
  await cluster.waitUntilWhole(load.relativePath);
  return { lost: primary, gapMs, ...seen };
}
