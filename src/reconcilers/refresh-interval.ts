import type { GitalyClusterStatus } from '../api/generated/gitaly-cluster.ts';

const restlessMs = 5_000;
const calmMs = 15_000;

/** When to look at a cluster again though nothing has called for it: the proxies are asked, not watched. */
export function refreshIntervalMs({ phase, data }: GitalyClusterStatus): number {
  return phase === 'Ready' && data === 'Safe' ? calmMs : restlessMs;
}
