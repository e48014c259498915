import type { Pod } from '../../api/kubernetes.ts';

/** Whether the pod is ready and not on its way out. */
export function isPodReady(pod: Pod | undefined): boolean {
  if (!pod || pod.metadata.deletionTimestamp !== undefined) return false;
  return conditionOf(pod, 'Ready')?.status === 'True';
}

/** Why the pod is not ready, for a person; undefined if it is. */
export function podProblem(pod: Pod | undefined): string | undefined {
  if (!pod) return 'the pod does not exist yet';
  if (pod.metadata.deletionTimestamp !== undefined) return 'the pod is being deleted';
  if (isPodReady(pod)) return undefined;
  const scheduled = conditionOf(pod, 'PodScheduled');
  if (scheduled?.status === 'False') {
    return `the pod is on no node: ${scheduled.message ?? scheduled.reason ?? 'no reason given'}`;
  }
  return containerProblem(pod) ?? 'the pod is not ready yet';
}

function containerProblem({ status }: Pod): string | undefined {
  for (const { name, state } of status?.containerStatuses ?? []) {
    if (state?.waiting?.reason !== undefined) {
      const { reason, message } = state.waiting;
      return `container ${name} waits: ${reason}${message === undefined ? '' : `: ${message}`}`;
    }
    if (state?.terminated) {
      return `container ${name} ended with exit code ${state.terminated.exitCode}`;
    }
  }
  return undefined;
}

function conditionOf({ status }: Pod, type: string) {
  return status?.conditions?.find((condition) => condition.type === type);
}
