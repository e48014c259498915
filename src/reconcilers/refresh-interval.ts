import type { GitalyClusterStatus } from '../api/generated/gitaly-cluster.ts';

const rollingMs = 2_000;
const restlessMs = 5_000;
const calmMs = 15_000;
const movingReasons: ReadonlySet<string> = new Set(['RollingUpdate', 'NodesLeaving']);

/**
 * When to look at a cluster again though nothing has called for it: the proxies are asked, not watched. Soonest while
 * pods are replaced or nodes cleared, as each look takes one step.
 */
export function refreshIntervalMs({ phase, data, conditions = [] }: GitalyClusterStatus): number {
  const isMoving = conditions.some(({ reason }) => movingReasons.has(reason));
  if (isMoving) return rollingMs;
  return phase === 'Ready' && data === 'Safe' ? calmMs : restlessMs;
}
