import { sleep, systemClock } from '../../../src/base/clock.ts';
import { Load } from './load.ts';
import type { ProcessCluster } from './process-cluster.ts';
import type { Loss } from './summary.ts';

export interface DatabaseLossOptions {
  readonly awayMs: number;
  readonly writers: number;
}

/** Kills the database, and starts it again later. The gap is counted from when it serves again. */
export async function loseDatabase(
  cluster: ProcessCluster,
  { awayMs, writers }: DatabaseLossOptions,
): Promise<Loss> {
  const load = await Load.start(cluster);
  await load.prepareWriters(Math.max(1, writers));
  load.beginWriting();
  await load.moreWrites(20, 60_000);
  await cluster.database.shutDown('immediate');
  await sleep(systemClock, awayMs);
  await cluster.database.startAgain();
  const backMs = performance.now();
  await load.moreWrites(1, 60_000);
  const gapMs = load.firstAfterMs(backMs) - backMs;
  const seen = await load.stop();
  await cluster.waitUntilWhole(load.relativePath);
  return { lost: 'the database', gapMs, ...seen };
}
