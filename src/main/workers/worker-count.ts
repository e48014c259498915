import type { ProxyConfig } from '../../api/proxy-config.ts';
import { maxWorkers } from '../../api/worker-default.ts';

/** What all workers of a pod share among them: connections to the database, and repairs at a time. */
const [databaseConnections, repairs] = [10, 4];
/** With fewer connections the writes of one worker would wait for each other. */
const minDatabaseConnections = 3;
/** With a single one, a slow storage would keep all others from being repaired. */
const minRepairs = 2;

/**
 * How many processes serve: the environment's `PROXY_WORKERS`, or else what the configuration says.
 * Default 1.
 *
 * @throws Error that says what to write
 */
export function workerCount(
  config: Pick<ProxyConfig, 'workers'>,
  env: Readonly<Record<string, string | undefined>>,
): number {
  const wanted = env['PROXY_WORKERS'] ?? config.workers ?? 1;
  const count = Number(wanted);
  if (Number.isInteger(count) && count >= 1 && count <= maxWorkers) return count;
  throw new Error(`"${wanted}" is no number of workers: write a whole one from 1 to ${maxWorkers}`);
}

/** What one of so many workers may use. With one it is what a proxy may use. */
export function shareOf(workers: number) {
  return {
    poolSize: Math.max(minDatabaseConnections, Math.ceil(databaseConnections / workers)),
    parallelRepairs: Math.max(minRepairs, Math.floor(repairs / workers)),
  };
}
