import type { Pod } from '../../api/kubernetes.ts';
import type { ClusterContext } from '../cluster-context.ts';
import { selectorLabels, type Part } from '../object-meta.ts';

/** Those of the pods that are of a part of the cluster. */
export function podsOf(context: ClusterContext, pods: readonly Pod[], part: Part): Pod[] {
  const wanted = Object.entries(selectorLabels(context, part));
  return pods.filter(({ metadata }) =>
    wanted.every(([key, value]) => metadata.labels?.[key] === value),
  );
}
