import type { Placement } from '../api/effective-spec.ts';
import type { LabelSelector, PodSpec } from '../api/kubernetes.ts';

/**
 * Where the pods of one selector go: on different nodes and in different zones wherever that is
 * possible.
 *
 * The wish is as strong as a preference can be, and not a requirement: a storage whose volume is tied
 * to a node must be able to return to it, also when another storage has come to that node meanwhile.
 * Storages that share a node are told of in the status.
 */
export function spreadPlacement(placement: Placement, selector: LabelSelector): Partial<PodSpec> {
  const { nodeSelector, affinity, tolerations } = placement;
  return {
    affinity: affinity ?? { podAntiAffinity: apartByNode(selector) },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: selector,
      },
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: selector,
      },
    ],
    ...(nodeSelector && { nodeSelector }),
    ...(tolerations && { tolerations }),
  };
}

function apartByNode(labelSelector: LabelSelector): object {
  return {
    preferredDuringSchedulingIgnoredDuringExecution: [
      { weight: 100, podAffinityTerm: { labelSelector, topologyKey: 'kubernetes.io/hostname' } },
    ],
  };
}
