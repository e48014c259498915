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

/** What a container waits for that does not come by waiting. */
const failures: ReadonlySet<string> = new Set([
  'CrashLoopBackOff',
  'CreateContainerConfigError',
  'CreateContainerError',
  'ErrImageNeverPull',
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'RunContainerError',
]);

/** A container that has ended so often does so again, also while it seems to run. */
const restartsOfFailure = 3;

/** Whether a pod that is not ready has failed, and not only begun: it hardly gets ready without a change. */
export function isPodFailing(pod: Pod): boolean {
  if (isPodReady(pod)) return false;
  return (pod.status?.containerStatuses ?? []).some(
    ({ state, restartCount = 0 }) =>
      failures.has(state?.waiting?.reason ?? '') || restartCount >= restartsOfFailure,
  );
}

/** Whether a container of the pod may be running. */
export function isPodRunning({ status }: Pod): boolean {
  return (status?.containerStatuses ?? []).some(({ state }) => state?.running !== undefined);
}

/**
 * Since when the pod is as ready as it is, in milliseconds since 1970-01-01 UTC; undefined if Kubernetes has not
 * said.
 */
export function readinessSinceMs(pod: Pod): number | undefined {
  const since = conditionOf(pod, 'Ready')?.lastTransitionTime ?? pod.metadata.creationTimestamp;
  return since === undefined ? undefined : Date.parse(since);
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
