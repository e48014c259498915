import type { Condition, GitalyClusterStatus } from '../../api/generated/gitaly-cluster.ts';
import type { ConditionType } from '../../api/conditions.ts';

/** Something worth an event. */
export interface StatusEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly note: string;
}

/** Conditions whose `True` is good news; the others are told of by these. */
const told: readonly ConditionType[] = ['Available', 'DataSafe', 'DatabaseReady', 'Reconciled'];

/**
 * One event for each of these conditions that became true or false, or is false for another reason, and one for an
 * update that has halted. Not knowing is no news. That an update has taken a storage down is news, but not bad.
 */
export function conditionEvents(
  previous: GitalyClusterStatus | undefined,
  next: GitalyClusterStatus,
): StatusEvent[] {
  return [...told.flatMap(eventsOf), ...haltEvents(previous, next)];

  function eventsOf(type: ConditionType): StatusEvent[] {
    const before = conditionOf(previous, type);
    const after = conditionOf(next, type);
    if (!after || after.status === 'Unknown') return [];
    if (before?.status === after.status && before.reason === after.reason) return [];
    const note = `${type}: ${after.message}`;
    const isNormal = after.status === 'True' || after.reason === 'StorageUpdating';
    return [{ type: isNormal ? 'Normal' : 'Warning', reason: after.reason, note }];
  }
}

/** An update that needs a person. */
function haltEvents(
  previous: GitalyClusterStatus | undefined,
  next: GitalyClusterStatus,
): StatusEvent[] {
  const reason = 'UpdateHalted';
  const after = conditionOf(next, 'Progressing');
  if (after?.reason !== reason || conditionOf(previous, 'Progressing')?.reason === reason)
    return [];
  return [{ type: 'Warning', reason, note: `Progressing: ${after.message}` }];
}

function conditionOf(
  status: GitalyClusterStatus | undefined,
  type: ConditionType,
): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}
