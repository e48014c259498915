import type { Condition, GitalyClusterStatus } from '../../api/generated/gitaly-cluster.ts';
import type { ConditionType } from '../../api/conditions.ts';

/** Something worth an event. */
export interface ConditionEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly note: string;
}

/** Conditions whose `True` is good news; the others are told of by these. */
const told: readonly ConditionType[] = ['Available', 'DataSafe', 'DatabaseReady', 'Reconciled'];

/**
 * One event for each of these conditions that became true or false, or is false for another reason.
 * Not knowing is no news.
 */
export function conditionEvents(
  previous: GitalyClusterStatus | undefined,
  next: GitalyClusterStatus,
): ConditionEvent[] {
  return told.flatMap((type) => {
    const before = conditionOf(previous, type);
    const after = conditionOf(next, type);
    if (!after || after.status === 'Unknown') return [];
    if (before?.status === after.status && before.reason === after.reason) return [];
    const note = `${type}: ${after.message}`;
    return [{ type: after.status === 'True' ? 'Normal' : 'Warning', reason: after.reason, note }];
  });
}

function conditionOf(
  status: GitalyClusterStatus | undefined,
  type: ConditionType,
): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}
