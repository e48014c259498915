import type { JudgedStorage } from './judged-storage.ts';
import { placeOf, type RollAction } from './roll-action.ts';
import { blockOf } from './roll-gate.ts';
import { describeState } from './roll-text.ts';
import type { Turn } from './roll-turn.ts';
import { isStanding, isWaiting, lastTurnMs, mayMove, type RollView } from './roll-view.ts';
import { isFailed, ownDrainOf, requestedMs } from './storage-state.ts';

/**
 * How long a pod may wait to be evicted while others wait to go. Whoever evicts tries again at least every ten seconds;
 * and where all old nodes are cordoned first, the one that is cleared first may not be the one chosen first.
 */
const turnMs = 60_000;

/**
 * Evictions that are refused from now on, then drains that are taken back.
 *
 * @param departing which drained storages may lose their pods, and why others may not
 */
export function withdrawals(view: RollView, departing: Turn): readonly RollAction[] {
  return [
    ...view.storages.flatMap((one) => refusal(view, one, departing)),
    ...view.storages.flatMap((one) => cancellation(view, one, departing)),
  ];
}

function cancellation(view: RollView, storage: JudgedStorage, departing: Turn): RollAction[] {
  const reason = cancelReason(view, storage, departing);
  const uid = storage.pod.kind === 'present' ? storage.pod.uid : undefined;
  return reason === undefined ? [] : [{ kind: 'cancelDrain', ...placeOf(storage), uid, reason }];
}

/** Takes the mark of a pod away that may not be evicted any more. */
function refusal(view: RollView, storage: JudgedStorage, departing: Turn): RollAction[] {
  const { pod } = storage;
  if (pod.kind !== 'present' || !pod.eviction.isAllowed) return [];
  // That includes it.
  if (cancelReason(view, storage, departing) !== undefined) return [];
  const reason =
    view.hold ??
    (storage.state.kind === 'evictable'
      ? blockOf(storage, view.storages, view.observation)
      : `it ${describeState(storage)}`);
  if (reason === undefined) return [];
  return [{ kind: 'refuseEviction', ...placeOf(storage), uid: pod.uid, reason }];
}

function cancelReason(view: RollView, storage: JudgedStorage, departing: Turn): string | undefined {
  const { observation, storages } = view;
  const drain = ownDrainOf(storage.report);
  if (!drain || observation.proxies.kind !== 'answered') return undefined;
  if (storage.state.kind === 'back') return 'it is back';
  if (!isStanding(storage)) return undefined;
  if (!mayMove(observation, storage)) return 'the update is paused';
  if (storages.some(({ state }) => isFailed(state))) return 'the update is halted';
  if (!view.draining.includes(storage)) return `${view.draining[0]?.name} goes first`;
  if (isTurnOver(view, storage)) return 'nobody has evicted it, and others wait for their turn';
  const waitedMs = observation.nowMs - requestedMs(drain);
  if (waitedMs < observation.policy.drainDeadlineMs) return undefined;
  return departing.needsPlacements ? undefined : departing.waits.get(storage.name);
}

/** Whether a pod could have been evicted for long enough, while another storage waits. */
function isTurnOver(view: RollView, storage: JudgedStorage): boolean {
  if (storage.state.kind !== 'evictable') return false;
  const isLong = view.observation.nowMs - lastTurnMs(storage) >= turnMs;
  return isLong && view.storages.some((one) => isWaiting(view, one));
}
