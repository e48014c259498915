import type { GitalyCluster, VirtualStorageStatus } from '../../api/generated/gitaly-cluster.ts';
import type { ClusterContext } from '../cluster-context.ts';
import type { ScaleDown } from '../scale-down.ts';
import type { RollPlan } from '../rollout/roll-plan.ts';
import type { ApplyOutcome, ObservedCluster } from '../observed-cluster.ts';

/** What the status is made from. */
export interface StatusInput {
  readonly resource: GitalyCluster;
  readonly context: ClusterContext;
  readonly observed: ObservedCluster;
  readonly outcome: ApplyOutcome;
  /** Of those virtual storages that have more storages than the spec asks for. */
  readonly scaleDowns: readonly ScaleDown[];
  /** Where each storage is in its update, and the whole roll. */
  readonly roll: Pick<RollPlan, 'progress' | 'storages' | 'waits'>;
}

/** What each condition is judged from. */
export interface ConditionInput extends StatusInput {
  readonly virtualStorages: readonly VirtualStorageStatus[];
}

/** How many storages of a virtual storage are ready. */
export function readyStorages({ storages }: VirtualStorageStatus): number {
  return storages.filter(({ ready }) => ready).length;
}
