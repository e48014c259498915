import type { GitalyCluster, VirtualStorageStatus } from '../../api/generated/gitaly-cluster.ts';
import type { ClusterContext } from '../cluster-context.ts';
import type { ApplyOutcome, ObservedCluster } from '../observed-cluster.ts';

/** What the status is made from. */
export interface StatusInput {
  readonly resource: GitalyCluster;
  readonly context: ClusterContext;
  readonly observed: ObservedCluster;
  readonly outcome: ApplyOutcome;
}

/** What each condition is judged from. */
export interface ConditionInput extends StatusInput {
  readonly virtualStorages: readonly VirtualStorageStatus[];
}

/** How many storages of a virtual storage are ready. */
export function readyStorages({ storages }: VirtualStorageStatus): number {
  return storages.filter(({ ready }) => ready).length;
}

/** `a, b and c`. */
export function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
