import type { Placements } from './placements.ts';
import type { RolloutStorage } from './rollout-storage.ts';

/** How many storages may go at a time. Their zones are a limit as well. */
interface GroupLimits {
  /**
   * By virtual storage: how many replicas of each repository stay in sync and available while the group is away. A
   * repository that has no more than that keeps its storages from going. With 0 none does: repositories whose
   * replicas are all in the group can be neither read nor written until one of them is back.
   */
  readonly minAvailableReplicas: ReadonlyMap<string, number>;
  /** How many storages are in the group at most, disrupted ones too. */
  readonly groupSize: number;
  /** How many storages of the cluster may be disrupted at most, the group among them. */
  readonly maxUnavailable: number;
}

/** What the planner decides from. */
export interface GroupRequest<S extends RolloutStorage> {
  /** All of the cluster. Their order is that of the indexes in `placements`. */
  readonly storages: readonly S[];
  /** Those of them that should go, the preferred first: see `inOrderOfPreference`. */
  readonly candidates: readonly S[];
  readonly placements: Placements;
  readonly limits: GroupLimits;
}
