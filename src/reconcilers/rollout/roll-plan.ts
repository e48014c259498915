import { judgeStorages, type JudgedStorage } from './judged-storage.ts';
import { blockOf, brokenBlockOf, holdOf } from './roll-gate.ts';
import type { RollObservation } from './roll-observation.ts';
import { rollProgress, type RollProgress } from './roll-progress.ts';
import { describeDrain, describeReasons, describeState } from './roll-text.ts';
import { ownDrainOf, requestedMs } from './storage-state.ts';

/**
 * The roll: Gitaly pods that are outdated are replaced one after the other, and no client notices.
 *
 * Drains are kept by the proxies in their database, and hold until whoever asked takes them back. So the operator
 * keeps nothing: each time it looks at pods, StatefulSets and what the proxies say, and {@link planRoll} says what
 * is next. Where a step is done twice, by a second operator or by one with an old view, the second time is nothing:
 * a requester has one drain of a storage, and a pod is deleted by its UID.
 *
 * 1. Nothing begins while the spec is not applied, the update is paused, the proxies are silent or do not reach
 *    their database, or a proxy that may have clients does not: nobody could tell whether a pod is missed.
 * 2. A pod that is to be replaced and has no client, as it is not ready, is deleted at once: a pod that is broken
 *    does not hold up its own correction. Not while another pod of the wanted revision is on its way.
 * 3. Otherwise one storage is chosen, and its drain asked for. It has to be the only one that is missed: all others
 *    are ready, healthy, in sync and not drained, and no repository is short of a replica for another reason. Among
 *    those that may go, one that somebody else drains already goes first, then the one with fewest primaries.
 *    A crash after this leaves a storage that clients are kept away from and writes still go to.
 * 4. Proxies take note, primaries move, calls end. Calls that outlast the drain deadline are cut; a proxy that has
 *    not taken note is waited for without limit.
 * 5. The pod is deleted, with its UID as a precondition, if all others are still as in step 3.
 *    A crash after this leaves the drain, and a pod that Kubernetes makes anew.
 * 6. The new pod becomes ready, the proxies find it healthy, and copy to it what it has missed.
 * 7. The drain is taken back, and step 3 chooses the next. So the first pod is the one that the new revision is
 *    tried on: if it does not become ready, no other is touched, and when the spec is corrected, step 2 begins
 *    with it.
 *
 * A drain is taken back before its pod went if the update is paused or halted, if the pod is not outdated any more, if
 * another storage's drain is older, or if step 5 has had to wait for longer than the drain deadline.
 */
export interface RollPlan {
  /** At most one drain is asked for, or one pod deleted. */
  readonly actions: readonly RollAction[];
  readonly progress: RollProgress;
  readonly storages: readonly JudgedStorage[];
}

/** What to do next. */
export type RollAction =
  | (StorageAction & { readonly kind: 'requestDrain' })
  | (StorageAction & { readonly kind: 'cancelDrain' })
  | (StorageAction & {
      readonly kind: 'deletePod';
      readonly uid: string;
      /** Whether clients lose calls: the drain deadline has passed. */
      readonly cutsCalls: boolean;
    });

interface StorageAction {
  readonly virtualStorage: string;
  readonly storage: string;
  /** Why, for a person. */
  readonly reason: string;
}

/** What is next, and how far the roll is. Equal observations give equal plans. */
export function planRoll(observation: RollObservation): RollPlan {
  const storages = judgeStorages(observation);
  const view: RollView = { observation, storages, hold: holdOf(observation) };
  const current = currentOf(view);
  const step: Step = observation.policy.paused ? { kind: 'none' } : nextStep(view, current);
  const cancellations = storages.flatMap((one) => cancellation(view, one, current));
  const what = step.kind === 'act' ? `${step.action.storage}: ${step.action.reason}` : '';
  return {
    actions: step.kind === 'act' ? [...cancellations, step.action] : cancellations,
    progress: rollProgress({
      observation,
      storages,
      current,
      step: step.kind === 'act' ? { kind: 'act', what } : step,
    }),
    storages,
  };
}

interface RollView {
  readonly observation: RollObservation;
  readonly storages: readonly JudgedStorage[];
  readonly hold: string | undefined;
}

type Step =
  | { readonly kind: 'act'; readonly action: RollAction }
  | { readonly kind: 'wait'; readonly why: string }
  | { readonly kind: 'none' };

/** The storage that is being drained: of several, the one whose drain is oldest. */
function currentOf({ storages }: RollView): JudgedStorage | undefined {
  const since = ({ report }: JudgedStorage) => {
    const drain = ownDrainOf(report);
    return drain ? requestedMs(drain) : Infinity;
  };
  return storages.filter(isStanding).toSorted((a, b) => since(a) - since(b))[0];
}

/** Whether the operator drains it and its pod is still there. */
function isStanding({ state: { kind } }: JudgedStorage): boolean {
  return kind === 'draining' || kind === 'overdue' || kind === 'drained';
}

function nextStep(view: RollView, current: JudgedStorage | undefined): Step {
  const broken = brokenStep(view);
  if (broken.kind === 'act') return broken;
  if (view.hold !== undefined) return { kind: 'wait', why: view.hold };
  if (current) return drainedStep(view, current);
  const begin = beginStep(view);
  return begin.kind === 'none' ? broken : begin;
}

function brokenStep({ observation, storages }: RollView): Step {
  const broken = storages
    .filter(({ state }) => state.kind === 'broken')
    .toSorted((a, b) => Number(isFailing(b)) - Number(isFailing(a)));
  const [first] = broken;
  if (!first || !observation.isApplied) return { kind: 'none' };
  const blockOfOne = (one: JudgedStorage) => brokenBlockOf(one, storages, observation);
  const chosen = broken.find((one) => blockOfOne(one) === undefined);
  if (!chosen) return { kind: 'wait', why: `${first.name}: ${blockOfOne(first)}` };
  return { kind: 'act', action: deletion(chosen, `it ${describeState(chosen)}`, false) };
}

function isFailing({ state }: JudgedStorage): boolean {
  return state.kind === 'broken' && state.isFailing;
}

function drainedStep({ observation, storages }: RollView, current: JudgedStorage): Step {
  const { state, report } = current;
  if (state.kind === 'draining') return { kind: 'none' };
  const why = blockOf(current, storages, observation);
  if (why !== undefined) return { kind: 'wait', why };
  if (state.kind === 'drained') {
    return { kind: 'act', action: deletion(current, 'it is drained', false) };
  }
  const seconds = observation.policy.drainDeadlineMs / 1000;
  const left = report?.drain ? describeDrain(report.drain) : 'calls are left';
  const reason = `its calls have not ended within ${seconds} s, and are cut: ${left}`;
  return { kind: 'act', action: deletion(current, reason, true) };
}

function beginStep({ observation, storages }: RollView): Step {
  const outdated = storages
    .filter(({ state }) => state.kind === 'outdated')
    .toSorted(
      (a, b) => Number(isDrained(b)) - Number(isDrained(a)) || primariesOf(a) - primariesOf(b),
    );
  const [preferred] = outdated;
  if (!preferred) return { kind: 'none' };
  const blockOfOne = (one: JudgedStorage) => blockOf(one, storages, observation);
  const chosen = outdated.find((one) => blockOfOne(one) === undefined);
  if (!chosen) return { kind: 'wait', why: blockOfOne(preferred) ?? '' };
  const reasons = chosen.state.kind === 'outdated' ? chosen.state.reasons : [];
  const reason = `its pod is outdated (${describeReasons(reasons)})`;
  return { kind: 'act', action: { kind: 'requestDrain', ...placeOf(chosen), reason } };
}

function isDrained({ report }: JudgedStorage): boolean {
  return report?.drain !== undefined;
}

function primariesOf({ report }: JudgedStorage): number {
  return report?.primaries ?? 0;
}

function cancellation(
  view: RollView,
  storage: JudgedStorage,
  current: JudgedStorage | undefined,
): RollAction[] {
  const reason = cancelReason(view, storage, current);
  return reason === undefined ? [] : [{ kind: 'cancelDrain', ...placeOf(storage), reason }];
}

function cancelReason(
  { observation, storages }: RollView,
  storage: JudgedStorage,
  current: JudgedStorage | undefined,
): string | undefined {
  const drain = ownDrainOf(storage.report);
  if (!drain || observation.proxies.kind !== 'answered') return undefined;
  if (storage.state.kind === 'back') return 'it is back';
  if (!isStanding(storage)) return undefined;
  if (observation.policy.paused) return 'the update is paused';
  if (storages.some(({ state }) => state.kind === 'failed')) return 'the update is halted';
  if (storage !== current) return `${current?.name} goes first`;
  const waitedMs = observation.nowMs - requestedMs(drain);
  if (waitedMs < observation.policy.drainDeadlineMs) return undefined;
  return storage.state.kind === 'draining' ? undefined : blockOf(storage, storages, observation);
}

function deletion(storage: JudgedStorage, reason: string, cutsCalls: boolean): RollAction {
  const uid = storage.pod.kind === 'present' ? storage.pod.uid : '';
  return { kind: 'deletePod', ...placeOf(storage), uid, reason, cutsCalls };
}

function placeOf({ virtualStorage, name }: JudgedStorage) {
  return { virtualStorage, storage: name };
}
