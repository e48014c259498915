import { judgeStorages, type JudgedStorage } from './judged-storage.ts';
import { isOldTemplate } from './outdated-reasons.ts';
import type { RollAction } from './roll-action.ts';
import { blockOf, brokenBlockOf, holdOf } from './roll-gate.ts';
import type { RollObservation } from './roll-observation.ts';
import { rollProgress, type RollProgress } from './roll-progress.ts';
import { describeDrain, describeReasons, describeState, leavingOf } from './roll-text.ts';
import { isLeftToEviction, ownDrainOf, requestedMs } from './storage-state.ts';

/**
 * The roll: Gitaly pods that are outdated are replaced one after the other, and those whose nodes are about to go may
 * be evicted one after the other, and no client notices.
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
 * 3. Otherwise one storage is chosen, and its drain asked for. It has to be the only one that is missed: all others
 *    are ready, healthy, in sync and not drained, and no repository is short of a replica for another reason. Among
 *    those that may go, one that somebody else drains already goes first, then one that has not had its turn yet, then
 *    one whose node is about to go, then the one with fewest primaries.
 *    A crash after this leaves a storage that clients are kept away from and writes still go to.
 * 4. Proxies take note, primaries move, calls end. Calls that outlast the drain deadline are cut; a proxy that has
 *    not taken note is waited for without limit.
 * 5. The pod is deleted, with its UID as a precondition, if all others are still as in step 3.
 *    A crash after this leaves the drain, and a pod that Kubernetes makes anew.
 *    A pod that only its node is a reason for is marked as evictable instead: when it goes is for whoever clears the
 *    node. The mark is taken away as soon as anything of step 3 changes, before the drain is. A crash after this
 *    leaves a drained pod that may be evicted, also if the others have trouble before the next operator looks.
 * 6. The new pod becomes ready, the proxies find it healthy, and copy to it what it has missed.
 * 7. The drain is taken back, and step 3 chooses the next. So the first pod is the one that the new revision is
 *    tried on: if it does not become ready, no other is touched, and when the spec is corrected, step 2 begins
 *    with it.
 *
 * A drain is taken back before its pod went if the update is paused or halted, if the pod is not outdated any more, if
 * another storage's drain is older, if step 5 has had to wait for longer than the drain deadline, or if nobody has
 * evicted the pod within its turn while others wait for theirs.
 *
 * A pause of the update is none for nodes: whoever clears one would wait for ever.
 */
export interface RollPlan {
  /** At most one drain is asked for, or one pod deleted, or one eviction allowed. */
  readonly actions: readonly RollAction[];
  readonly progress: RollProgress;
  readonly storages: readonly JudgedStorage[];
}

/** What is next, and how far the roll is. Equal observations give equal plans. */
export function planRoll(observation: RollObservation): RollPlan {
  const storages = judgeStorages(observation);
  const view: RollView = { observation, storages, hold: holdOf(observation) };
  const current = currentOf(view);
  const step = nextStep(view, current);
  const withdrawals = [
    ...storages.flatMap((one) => refusal(view, one, current)),
    ...storages.flatMap((one) => cancellation(view, one, current)),
  ];
  const what = step.kind === 'act' ? `${step.action.storage}: ${step.action.reason}` : '';
  return {
    actions: step.kind === 'act' ? [...withdrawals, step.action] : withdrawals,
    progress: rollProgress({
      observation,
      storages,
      current,
      step: step.kind === 'act' ? { kind: 'act', what } : step,
    }),
    storages,
  };
}

/**
 * How long a pod may wait to be evicted while others wait to go. Whoever evicts tries again at least every ten seconds;
 * and where all old nodes are cordoned first, the one that is cleared first may not be the one chosen first.
 */
const turnMs = 60_000;

interface RollView {
  readonly observation: RollObservation;
  readonly storages: readonly JudgedStorage[];
  readonly hold: string | undefined;
}

type Step =
  | { readonly kind: 'act'; readonly action: RollAction }
  | { readonly kind: 'wait'; readonly why: string }
  | { readonly kind: 'none' };

/** Whether a pause is none for the storage. */
function mayMove({ observation: { policy } }: RollView, { pod }: JudgedStorage): boolean {
  return !policy.paused || (pod.kind === 'present' && pod.leaving !== undefined);
}

/** The storage that is being drained: of several, the one whose drain is oldest. */
function currentOf(view: RollView): JudgedStorage | undefined {
  const since = ({ report }: JudgedStorage) => {
    const drain = ownDrainOf(report);
    return drain ? requestedMs(drain) : Infinity;
  };
  return view.storages
    .filter((one) => isStanding(one) && mayMove(view, one))
    .toSorted((a, b) => since(a) - since(b))[0];
}

/** Whether the operator drains it and its pod is still there. */
function isStanding({ state: { kind } }: JudgedStorage): boolean {
  return ['draining', 'overdue', 'drained', 'evictable'].includes(kind);
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
  if (!first || !observation.isApplied || observation.policy.paused) return { kind: 'none' };
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
  if (state.kind === 'evictable') return { kind: 'none' };
  if (state.kind === 'drained') {
    return { kind: 'act', action: departure(observation, current, 'it is drained', false) };
  }
  const seconds = observation.policy.drainDeadlineMs / 1000;
  const left = report?.drain ? describeDrain(report.drain) : 'calls are left';
  const reason = `its calls have not ended within ${seconds} s, and are cut: ${left}`;
  return { kind: 'act', action: departure(observation, current, reason, true) };
}

function beginStep(view: RollView): Step {
  const { observation, storages } = view;
  const outdated = storages
    .filter((one) => isWaiting(view, one))
    .toSorted(
      (a, b) =>
        Number(isDrained(b)) - Number(isDrained(a)) ||
        lastTurnMs(a) - lastTurnMs(b) ||
        Number(isLeaving(b)) - Number(isLeaving(a)) ||
        primariesOf(a) - primariesOf(b),
    );
  const [preferred] = outdated;
  if (!preferred) return { kind: 'none' };
  const blockOfOne = (one: JudgedStorage) => blockOf(one, storages, observation);
  const chosen = outdated.find((one) => blockOfOne(one) === undefined);
  if (!chosen) return { kind: 'wait', why: blockOfOne(preferred) ?? '' };
  const reasons = chosen.state.kind === 'outdated' ? chosen.state.reasons : [];
  const reason = isOldTemplate(reasons)
    ? `its pod is outdated (${describeReasons(reasons)})`
    : leavingOf(chosen.pod);
  return { kind: 'act', action: { kind: 'requestDrain', ...placeOf(chosen), reason } };
}

/** Whether the storage is to go, and nothing has begun. */
function isWaiting(view: RollView, storage: JudgedStorage): boolean {
  return storage.state.kind === 'outdated' && mayMove(view, storage);
}

/** When nobody evicted it though it was allowed: then others go first. */
function lastTurnMs({ pod }: JudgedStorage): number {
  return (pod.kind === 'present' ? pod.eviction.sinceMs : undefined) ?? 0;
}

function isLeaving({ pod }: JudgedStorage): boolean {
  return pod.kind === 'present' && pod.leaving !== undefined;
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
  const uid = storage.pod.kind === 'present' ? storage.pod.uid : undefined;
  return reason === undefined ? [] : [{ kind: 'cancelDrain', ...placeOf(storage), uid, reason }];
}

/** Takes the mark of a pod away that may not be evicted any more. */
function refusal(
  view: RollView,
  storage: JudgedStorage,
  current: JudgedStorage | undefined,
): RollAction[] {
  const { pod } = storage;
  if (pod.kind !== 'present' || !pod.eviction.isAllowed) return [];
  // That includes it.
  if (cancelReason(view, storage, current) !== undefined) return [];
  const reason =
    view.hold ??
    (storage.state.kind === 'evictable'
      ? blockOf(storage, view.storages, view.observation)
      : `it ${describeState(storage)}`);
  if (reason === undefined) return [];
  return [{ kind: 'refuseEviction', ...placeOf(storage), uid: pod.uid, reason }];
}

function cancelReason(
  view: RollView,
  storage: JudgedStorage,
  current: JudgedStorage | undefined,
): string | undefined {
  const { observation, storages } = view;
  const drain = ownDrainOf(storage.report);
  if (!drain || observation.proxies.kind !== 'answered') return undefined;
  if (storage.state.kind === 'back') return 'it is back';
  if (!isStanding(storage)) return undefined;
  if (!mayMove(view, storage)) return 'the update is paused';
  if (storages.some(({ state }) => state.kind === 'failed')) return 'the update is halted';
  if (storage !== current) return `${current?.name} goes first`;
  if (isTurnOver(view, storage)) return 'nobody has evicted it, and others wait for their turn';
  const waitedMs = observation.nowMs - requestedMs(drain);
  if (waitedMs < observation.policy.drainDeadlineMs) return undefined;
  return storage.state.kind === 'draining' ? undefined : blockOf(storage, storages, observation);
}

/** Whether a pod could have been evicted for long enough, while another storage waits. */
function isTurnOver(view: RollView, storage: JudgedStorage): boolean {
  if (storage.state.kind !== 'evictable') return false;
  const isLong = view.observation.nowMs - lastTurnMs(storage) >= turnMs;
  return isLong && view.storages.some((one) => isWaiting(view, one));
}

/** Lets the pod of a storage go that clients are kept away from. */
function departure(
  { policy }: RollObservation,
  storage: JudgedStorage,
  reason: string,
  cutsCalls: boolean,
): RollAction {
  const { pod } = storage;
  const reasons = (pod.kind === 'present' ? pod.outdated : undefined) ?? [];
  const action = deletion(storage, reason, cutsCalls);
  return isLeftToEviction(reasons, policy) ? { ...action, kind: 'allowEviction' } : action;
}

function deletion(storage: JudgedStorage, reason: string, cutsCalls: boolean) {
  const uid = storage.pod.kind === 'present' ? storage.pod.uid : '';
  return { kind: 'deletePod' as const, ...placeOf(storage), uid, reason, cutsCalls };
}

function placeOf({ virtualStorage, name }: JudgedStorage) {
  return { virtualStorage, storage: name };
}
