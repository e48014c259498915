import type { CallClass, Graces } from '../store/drain-board.ts';
import { callClassOf } from './call-class.ts';
import type { RunningCall } from './calls-left.ts';

/** The calls that have had all the time that a drain leaves them. */
export function outlived<Call extends RunningCall>(
  calls: readonly Call[],
  graces: Graces,
  { notedMs, nowMs }: { readonly notedMs: number; readonly nowMs: number },
): readonly { readonly call: Call; readonly class: CallClass }[] {
  return calls.flatMap((call) => {
    const callClass = callClassOf(call.head.path);
    const graceMs = graces[callClass] ?? Number.POSITIVE_INFINITY;
    const isOver = nowMs - Math.max(notedMs, call.startedMs) >= graceMs;
    return isOver ? [{ call, class: callClass }] : [];
  });
}
