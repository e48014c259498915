import type { JudgedStorage } from './judged-storage.ts';
import type { RollObservation } from './roll-observation.ts';
import { isBeingReplaced } from './roll-progress.ts';
import { isLeftToEviction, ownDrainOf, requestedMs } from './storage-state.ts';

/** An observation, and what is found in it. */
export interface RollView {
  readonly observation: RollObservation;
  readonly storages: readonly JudgedStorage[];
  /** Why nothing may begin anywhere. */
  readonly hold: string | undefined;
  /** The storages that are being drained and go on, those with the oldest drains first. */
  readonly draining: readonly JudgedStorage[];
}

/** Finds the storages whose drains go on: the oldest, as many as may go together, and one at least. */
export function rollView(
  observation: RollObservation,
  storages: readonly JudgedStorage[],
  hold: string | undefined,
): RollView {
  const since = ({ report }: JudgedStorage) => {
    const drain = ownDrainOf(report);
    return drain ? requestedMs(drain) : Infinity;
  };
  const replaced = storages.filter(isBeingReplaced).length;
  const draining = storages
    .filter((one) => isStanding(one) && mayMove(observation, one))
    .toSorted((a, b) => since(a) - since(b))
    .slice(0, Math.max(1, observation.group.size - replaced));
  return { observation, storages, hold, draining };
}

/** Whether the operator drains it and its pod is still there. */
export function isStanding({ state: { kind } }: JudgedStorage): boolean {
  return ['draining', 'overdue', 'drained', 'evictable'].includes(kind);
}

/** Whether a pause is none for the storage. */
export function mayMove({ policy }: RollObservation, { pod }: JudgedStorage): boolean {
  return !policy.paused || (pod.kind === 'present' && pod.leaving !== undefined);
}

/** Whether the storage is to go, and nothing has begun. */
export function isWaiting({ observation }: RollView, storage: JudgedStorage): boolean {
  return storage.state.kind === 'outdated' && mayMove(observation, storage);
}

/** Whether its pod goes when somebody evicts it. */
export function leavesByEviction({ observation }: RollView, { pod }: JudgedStorage): boolean {
  const reasons = (pod.kind === 'present' ? pod.outdated : undefined) ?? [];
  return isLeftToEviction(reasons, observation.policy);
}

/** When nobody evicted it though it was allowed: then others go first. */
export function lastTurnMs({ pod }: JudgedStorage): number {
  return (pod.kind === 'present' ? pod.eviction.sinceMs : undefined) ?? 0;
}
