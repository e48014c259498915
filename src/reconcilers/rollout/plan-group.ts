import { chooseGroup } from './choose-group.ts';
import { clusterState } from './cluster-state.ts';
import { explainWaiting } from './explain-waiting.ts';
import type { GroupRequest } from './group-request.ts';
import { heldBack } from './held-back.ts';
import type { RolloutStorage } from './rollout-storage.ts';
import type { WaitingReason } from './waiting-reason.ts';

/** Each candidate is in exactly one of the two, which are in the candidates' order. */
export interface GroupPlan<S extends RolloutStorage> {
  /** These may go now. */
  readonly group: readonly S[];
  readonly waiting: readonly Waiting<S>[];
}

/** A storage that may not go now, and why. */
interface Waiting<S extends RolloutStorage> {
  readonly storage: S;
  readonly reason: WaitingReason;
}

/**
 * Decides which storages may go together now. Equal requests get equal plans.
 *
 * What it promises of the group, with all that is disrupted:
 * - A repository that loses an available replica to the group keeps `minAvailableReplicas` others available.
 * - There are no more than `groupSize` in it, and, if it takes an available storage, no more than `maxUnavailable` in
 *   the group and the disrupted ones together.
 * - If it takes an available storage whose zone is known, then all that are away, and whose zone is known, are in that
 *   zone.
 * - Disrupted candidates go as long as `groupSize` lets them: they are away already, so nothing becomes worse.
 * - No candidate that waits could be added, and the reason that is given for it is true.
 *
 * The group is the largest, unless looking for it would take too long, as it is NP-hard to find: see `largestGroup`.
 *
 * A plan tells of the moment whose placements it was given. Before drained storages are deleted it can be made again
 * with them as candidates that are not disrupted.
 *
 * @throws Error if the request contradicts itself: a candidate or a set's member that is no storage, a set over two
 * virtual storages, a virtual storage without `minAvailableReplicas`
 */
export function planGroup<S extends RolloutStorage>(request: GroupRequest<S>): GroupPlan<S> {
  const state = clusterState(request);
  const heldAlone = heldBack(state, state.disrupted);
  const chosen = chooseGroup(state, heldAlone);
  const reasonFor = explainWaiting(state, heldAlone, chosen);
  const group: S[] = [];
  const waiting: Waiting<S>[] = [];
  for (const index of state.wanted) {
    const storage = request.storages[index];
    if (storage === undefined) continue;
    if (chosen.has(index)) group.push(storage);
    else waiting.push({ storage, reason: reasonFor(index) });
  }
  return { group, waiting };
}
