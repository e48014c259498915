import type { ContainerSecurityContext, PodSecurityContext } from '../api/kubernetes.ts';

/** A pod as the `restricted` Pod Security Standard wants it, run by `id` as user and group. */
export function restrictedPod(id: number): PodSecurityContext {
  return {
    runAsNonRoot: true,
    runAsUser: id,
    runAsGroup: id,
    fsGroup: id,
    // Without it, Kubernetes changes the owner of each Git object at each start.
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

/** A container that can write to its volumes only, and gain no privilege. */
export const restrictedContainer: ContainerSecurityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};
