import type { ConditionVerdict } from '../../api/conditions.ts';
import type { ApplyOutcome } from '../observed-cluster.ts';

/** Whether the user asked the operator to change nothing. */
export function paused(outcome: ApplyOutcome): ConditionVerdict<'Paused'> {
  const type = 'Paused';
  return outcome.kind === 'paused'
    ? {
        type,
        status: 'True',
        reason: 'PausedBySpec',
        message: 'nothing is changed until spec.paused is set to false',
      }
    : { type, status: 'False', reason: 'Active', message: 'the operator acts on changes' };
}
