import { assertNever } from '../../base/errors.ts';
import type { ConditionVerdict } from '../../api/conditions.ts';
import type { ApplyOutcome } from '../observed-cluster.ts';

/** Whether the last attempt to apply the spec succeeded. */
export function reconciled(outcome: ApplyOutcome): ConditionVerdict<'Reconciled'> {
  const type = 'Reconciled';
  switch (outcome.kind) {
    case 'applied':
      return { type, status: 'True', reason: 'Applied', message: 'every object is applied' };
    case 'failed':
      return { type, status: 'False', reason: outcome.reason, message: outcome.message };
    case 'paused':
      return {
        type,
        status: 'Unknown',
        reason: 'Paused',
        message: 'nothing is applied while spec.paused is true',
      };
    case 'deleting':
      return {
        type,
        status: 'Unknown',
        reason: 'Deleting',
        message: 'nothing is applied any more',
      };
    default:
      return assertNever(outcome);
  }
}
