import type { Pod, StatefulSet } from '../../api/kubernetes.ts';

/** Why a pod is to be replaced. */
export type OutdatedReason =
  /** Another image is wanted. */
  | 'image'
  /** Gitaly's configuration has changed, or the token of the storages. */
  | 'configuration'
  /** Anything else in the pod's template: resources, placement, volumes. */
  | 'template'
  /** Its node is about to go: see LeavingNodes. */
  | 'node'
  /** Its node is to be cleared for a maintenance: see ActiveMaintenance. */
  | 'maintenance';

/** The annotation of a pod that changes with Gitaly's configuration. */
export const configChecksumKey = 'gitaly.dev/config-checksum';

/** Whether a pod with these reasons was made from another template than the one wanted. */
export function isOldTemplate(reasons: readonly OutdatedReason[]): boolean {
  return reasons.some((reason) => reason !== 'node' && reason !== 'maintenance');
}

/**
 * Why the pod of a storage is to be replaced, by its template; empty if it was made from the template that is wanted.
 * Undefined while Kubernetes has not looked at the template, or has not said what it makes pods from.
 */
export function outdatedReasons(
  pod: Pod,
  set: StatefulSet | undefined,
): readonly OutdatedReason[] | undefined {
  const revision = pod.metadata.labels?.['controller-revision-hash'];
  const wanted = set?.status?.updateRevision;
  const isSeen = set?.status?.observedGeneration === set?.metadata.generation;
  if (!set || !isSeen || revision === undefined || wanted === undefined) return undefined;
  if (revision === wanted) return [];
  const { template } = set.spec;
  const reasons: OutdatedReason[] = [];
  if (imagesOf(pod.spec) !== imagesOf(template.spec)) reasons.push('image');
  const checksum = template.metadata.annotations?.[configChecksumKey];
  if (pod.metadata.annotations?.[configChecksumKey] !== checksum) reasons.push('configuration');
  return reasons.length === 0 ? ['template'] : reasons;
}

function imagesOf({ containers }: Pod['spec']): string {
  return containers.map(({ name, image }) => `${name}=${image}`).join();
}
