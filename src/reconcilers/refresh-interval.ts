import type { GitalyClusterStatus } from '../api/generated/gitaly-cluster.ts';

const rollingMs = 2_000;
const restlessMs = 5_000;
const calmMs = 15_000;

/**
 * When to look at a cluster again though nothing has called for it: the proxies are asked, not watched. Soonest while
 * pods are replaced, as each look takes one step.
 */
export function refreshIntervalMs({ phase, data, conditions = [] }: GitalyClusterStatus): number {
  if (conditions.some(({ reason }) => reason === 'RollingUpdate')) return rollingMs;
  return phase === 'Ready' && data === 'Safe' ? calmMs : restlessMs;
}
