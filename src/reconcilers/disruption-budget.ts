import type { PodDisruptionBudget } from '../api/kubernetes.ts';
import { labelKeys } from '../api/names.ts';
import type { ClusterContext } from './cluster-context.ts';
import { ownedMeta, selectorOf, type Part } from './object-meta.ts';

/**
 * Lets no pod of a part be evicted that a client would miss: it holds all but those that the operator has marked as
 * evictable. Where nodes are not watched nothing is marked, and one pod may be evicted at a time.
 */
export function markedOnlyBudget(
  context: ClusterContext,
  part: Part,
  name: string,
): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: ownedMeta(context, part, name),
    spec: {
      maxUnavailable: context.watchesNodes ? 0 : 1,
      // A pod that is not ready protects nothing, and must not keep a node from being drained.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: {
        ...selectorOf(context, part),
        ...(context.watchesNodes && {
          matchExpressions: [{ key: labelKeys.evictable, operator: 'DoesNotExist' as const }],
        }),
      },
    },
  };
}
