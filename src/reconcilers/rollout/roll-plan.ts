import { judgeStorages, type JudgedStorage } from './judged-storage.ts';
import { isOldTemplate } from './outdated-reasons.ts';
import { placeOf, type RollAction } from './roll-action.ts';
import { brokenBlockOf, holdOf } from './roll-gate.ts';
import type { RollObservation } from './roll-observation.ts';
import {
  isBeingReplaced,
  rollProgress,
  type RollProgress,
  type RollStep,
} from './roll-progress.ts';
import { describeDrain, describeReasons, describeState, leavingOf } from './roll-text.ts';
import { beginningTurn, departingTurn, type Turn } from './roll-turn.ts';
import { rollView, type RollView } from './roll-view.ts';
import { withdrawals } from './roll-withdrawals.ts';
import { isLeftToEviction } from './storage-state.ts';

/**
 * The roll: Gitaly pods that are outdated are replaced, one after the other or in groups, and those whose nodes are
 * about to go may be evicted one after the other, and no client notices.
 *
 * Drains are kept by the proxies in their database, and hold until whoever asked takes them back. So the operator
 * keeps nothing: each time it looks at pods, StatefulSets and what the proxies say, and {@link planRoll} says what
 * is next. Where a step is done twice, by a second operator or by one with an old view, the second time is nothing:
 * a requester has one drain of a storage, and a pod is deleted by its UID, and marked by its UID.
 *
 * 1. Nothing begins while the spec is not applied, the update is paused, the proxies are silent or do not reach
 *    their database, or a proxy that may have clients does not: nobody could tell whether a pod is missed.
 * 2. A pod that is to be replaced and has no client, as it is not ready, is deleted at once: a pod that is broken
 *    does not hold up its own correction. Not while another pod of the wanted revision is on its way.
 * 3. Otherwise a storage is chosen, or a group of storages, and their drains asked for. Storages that somebody else
 *    drains already are preferred, then those that have not had their turn yet, then those whose nodes are about to go,
 *    then those with few primaries. Nothing is chosen while a drain of the operator is left.
 *    - One may go by the strict rule, if it is the only one that is missed: all others are ready, healthy, in sync and
 *      not drained, and no repository is short of a replica for another reason.
 *    - With a group size of 2 and more, the largest group is looked for that leaves each repository that it concerns
 *      `minAvailableReplicas` on storages that are available: see `planGroup`. That takes where each repository is, which
 *      is asked for only now. If no group may go, or nobody says where they are, the strict rule chooses.
 *    - The first pod of a new revision goes alone, in the cluster and in each virtual storage: it is what the revision
 *      is tried on.
 *    A crash after this leaves storages that clients are kept away from and writes still go to: the group, or a part.
 * 4. Proxies take note, primaries move, calls end. Calls that outlast the drain deadline are cut; a proxy that has
 *    not taken note is waited for without limit.
 * 5. The pod of each that is drained is deleted, with its UID as a precondition: if the strict rule still lets it go, or
 *    if the group's rule does, asked once more with those that are drained as the candidates and all that is away by
 *    now, the others of its group among it. So what happened since step 3 counts, and any part of a group may go.
 *    A crash after this leaves the drains, and pods that Kubernetes makes anew.
 *    A pod that only its node is a reason for is marked as evictable instead, alone and by the strict rule: when it goes
 *    is for whoever clears the node. The mark is taken away as soon as anything of step 3 changes, before the drain
 *    is. A crash after this leaves a drained pod that may be evicted, also if the others have trouble before the next
 *    operator looks.
 *    A pod whose node is in a maintenance is deleted, as the operator itself clears that node; the node is cordoned just
 *    before, so that no pod comes back to it.
 * 6. The new pods become ready, the proxies find them healthy, and copy to them what they have missed.
 * 7. The drain of each that is in sync, and whose log has no errors from its start, is taken back, and when all are,
 *    step 3 chooses the next. If a new pod does not become ready, or has such errors, no other is touched, and when the
 *    spec is corrected, step 2 or 5 begins with it.
 *
 * A drain is taken back before its pod went if the update is paused or halted, if the pod is not outdated any more, if
 * more are drained than may go together (the oldest stay), if step 5 has had to wait for longer than the drain
 * deadline, or if nobody has evicted the pod within its turn while others wait for theirs.
 *
 * A pause of the update is none for nodes: whoever clears one would wait for ever.
 */
export interface RollPlan {
  /** Drains that are asked for, pods that are deleted, or evictions that are allowed: those of one group at most. */
  readonly actions: readonly RollAction[];
  readonly progress: RollProgress;
  readonly storages: readonly JudgedStorage[];
  /** Why storages wait, by name, for a person: of those that are outdated only when a storage or a group is chosen. */
  readonly waits: ReadonlyMap<string, string>;
  /** Whether something waits only since nobody has asked where the repositories are. Plan again when that is known. */
  readonly needsPlacements: boolean;
}

/** What is next, and how far the roll is. Equal observations give equal plans. */
export function planRoll(observation: RollObservation): RollPlan {
  const storages = judgeStorages(observation);
  const view = rollView(observation, storages, holdOf(observation));
  const departing = departingTurn(view);
  const beginning = beginningTurn(view);
  const step = nextStep(view, departing, beginning);
  return {
    actions: [...withdrawals(view, departing), ...(step.kind === 'act' ? step.actions : [])],
    progress: rollProgress({ observation, storages, draining: view.draining, step }),
    storages,
    waits: new Map([...departing.waits, ...beginning.waits]),
    needsPlacements:
      view.hold === undefined && (departing.needsPlacements || beginning.needsPlacements),
  };
}

function nextStep(view: RollView, departing: Turn, beginning: Turn): RollStep {
  const broken = brokenStep(view);
  if (broken.kind === 'act') return broken;
  if (view.hold !== undefined) return { kind: 'wait', why: view.hold };
  if (view.draining.length > 0) {
    return stepOf(departing, (one) => departures(view.observation, one));
  }
  if (view.storages.some(isBeingReplaced)) return broken;
  const begin = stepOf(beginning, (one) => [drainRequest(one)]);
  return begin.kind === 'none' ? broken : begin;
}

/** What is done with those that may, or why the most wanted waits. */
function stepOf(
  { may, waits }: Turn,
  actionsOf: (storage: JudgedStorage) => readonly RollAction[],
): RollStep {
  const actions = may.flatMap(actionsOf);
  if (actions.length > 0) return { kind: 'act', actions };
  const [first] = waits;
  if (may.length > 0 || first === undefined) return { kind: 'none' };
  const [storage, why] = first;
  return { kind: 'wait', why, storage };
}

function brokenStep({ observation, storages }: RollView): RollStep {
  const broken = storages
    .filter(({ state }) => state.kind === 'broken')
    .toSorted((a, b) => Number(isFailing(b)) - Number(isFailing(a)));
  const [first] = broken;
  if (!first || !observation.isApplied || observation.policy.paused) return { kind: 'none' };
  const blockOfOne = (one: JudgedStorage) => brokenBlockOf(one, storages, observation);
  const chosen = broken.find((one) => blockOfOne(one) === undefined);
  if (!chosen) return { kind: 'wait', why: `${first.name}: ${blockOfOne(first)}` };
  return { kind: 'act', actions: [deletion(chosen, `it ${describeState(chosen)}`, false)] };
}

function isFailing({ state }: JudgedStorage): boolean {
  return state.kind === 'broken' && state.isFailing;
}

function drainRequest(storage: JudgedStorage): RollAction {
  const reasons = storage.state.kind === 'outdated' ? storage.state.reasons : [];
  const reason = isOldTemplate(reasons)
    ? `its pod is outdated (${describeReasons(reasons)})`
    : leavingOf(storage.pod);
  return { kind: 'requestDrain', ...placeOf(storage), reason };
}

/** Lets the pod of a storage go that clients are kept away from, if that is not so already. */
function departures({ policy }: RollObservation, storage: JudgedStorage): readonly RollAction[] {
  const { state, pod, report } = storage;
  if (state.kind === 'evictable') return [];
  const isDone = state.kind === 'drained';
  const seconds = policy.drainDeadlineMs / 1000;
  const left = report?.drain ? describeDrain(report.drain) : 'calls are left';
  const reason = isDone
    ? 'it is drained'
    : `its calls have not ended within ${seconds} s, and are cut: ${left}`;
  const action = deletion(storage, reason, !isDone);
  const { outdated = [], maintenance } = pod.kind === 'present' ? pod : {};
  if (isLeftToEviction(outdated, policy)) return [{ ...action, kind: 'allowEviction' }];
  if (!maintenance) return [action];
  const { node, mark, reason: why } = maintenance;
  return [{ kind: 'cordonNode', ...placeOf(storage), node, mark, reason: why }, action];
}

function deletion(storage: JudgedStorage, reason: string, cutsCalls: boolean) {
  const uid = storage.pod.kind === 'present' ? storage.pod.uid : '';
  return { kind: 'deletePod' as const, ...placeOf(storage), uid, reason, cutsCalls };
}
