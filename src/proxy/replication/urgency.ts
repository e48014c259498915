import { isHealthy, type NodeView } from '../routing/node-view.ts';
import type { ReplicationPolicy } from '../routing/route.ts';
import type { PlacedReplica, Placement } from '../store/control-store.ts';
import { stayingReplicas } from './staying-replicas.ts';

/** What repair is for, the most urgent first. */
export const repairPriorities = [
  /** Too few in-sync replicas can be reached for a write. */
  'refusesWrites',
  /** A replica is behind. */
  'behind',
  /** There are fewer replicas than the virtual storage asks for. */
  'missing',
  /** A replica is too many, or is where none is to be. */
  'surplus',
] as const;

export type RepairPriority = (typeof repairPriorities)[number];

export interface Urgency {
  readonly priority: RepairPriority;
  /** Replicas that are in sync and can be reached. */
  readonly inSync: number;
}

/** How urgent repair is, or undefined if the repository is as it should be (pure). */
export function urgencyOf(
  { replicas }: Placement,
  nodes: NodeView,
  { minInSyncReplicas, replicationFactor }: ReplicationPolicy,
): Urgency | undefined {
  const isVoter = ({ role, inSync: isInSync }: PlacedReplica) => role === 'voter' && isInSync;
  const inSync = replicas.filter((one) => isVoter(one) && isHealthy(nodes, one.storage)).length;
  const staying = stayingReplicas(replicas, nodes).filter(({ isMoving }) => isMoving !== true);
  const isBehind = !staying.every(isVoter);
  const isMissing = staying.length < replicationFactor;
  if ((isBehind || isMissing) && inSync < minInSyncReplicas) {
    return { priority: 'refusesWrites', inSync };
  }
  if (isBehind) return { priority: 'behind', inSync };
  if (isMissing) return { priority: 'missing', inSync };
  return staying.length < replicas.length ? { priority: 'surplus', inSync } : undefined;
}

/** For sorting: what is more urgent comes first, and of that what has the fewest in-sync replicas. */
export function compareUrgency(a: Urgency, b: Urgency): number {
  const rank = ({ priority }: Urgency) => repairPriorities.indexOf(priority);
  return rank(a) - rank(b) || a.inSync - b.inSync;
}
