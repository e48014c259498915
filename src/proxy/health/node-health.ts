/**
 * Whether calls may be sent to a storage, from evidence (pure).
 *
 * A refused or broken connection is certain and counts at once. A missed check may be a busy moment:
 * several in a row count. A storage that was lost has to pass several checks before it is used again,
 * so that one on the edge does not flap.
 */
export type NodeHealth =
  /** Not heard of yet. Calls are not sent there. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'healthy'; readonly misses: number }
  | { readonly kind: 'unhealthy'; readonly reason: string; readonly passes: number };

export type HealthEvidence =
  | { readonly kind: 'checkPassed' }
  | { readonly kind: 'checkMissed'; readonly reason: string }
  | { readonly kind: 'connectionLost'; readonly reason: string };

export interface HealthPolicy {
  /** Checks missed in a row before a storage is given up. */
  readonly missesToLose: number;
  /** Checks passed in a row before a lost storage is used again. */
  readonly passesToRegain: number;
}

const defaultHealthPolicy: HealthPolicy = { missesToLose: 3, passesToRegain: 2 };

export function stepHealth(
  health: NodeHealth,
  evidence: HealthEvidence,
  policy: HealthPolicy = defaultHealthPolicy,
): NodeHealth {
  switch (evidence.kind) {
    case 'connectionLost':
      return { kind: 'unhealthy', reason: evidence.reason, passes: 0 };
    case 'checkPassed':
      return afterPass(health, policy);
    case 'checkMissed':
      return afterMiss(health, evidence.reason, policy);
  }
}

function afterPass(health: NodeHealth, policy: HealthPolicy): NodeHealth {
  if (health.kind !== 'unhealthy') return { kind: 'healthy', misses: 0 };
  const passes = health.passes + 1;
  return passes >= policy.passesToRegain ? { kind: 'healthy', misses: 0 } : { ...health, passes };
}

function afterMiss(health: NodeHealth, reason: string, policy: HealthPolicy): NodeHealth {
  if (health.kind !== 'healthy') return { kind: 'unhealthy', reason, passes: 0 };
  const misses = health.misses + 1;
  return misses >= policy.missesToLose
    ? { kind: 'unhealthy', reason, passes: 0 }
    : { kind: 'healthy', misses };
}
