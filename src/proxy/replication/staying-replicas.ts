import { isDecommissioned, type NodeView } from '../routing/node-view.ts';
import type { Replica } from '../routing/repository-record.ts';

/** Those of the replicas that are to stay: not leaving, and not on a storage that is decommissioned. */
export function stayingReplicas<R extends Pick<Replica, 'role' | 'storage'>>(
  replicas: readonly R[],
  nodes: NodeView,
): readonly R[] {
  return replicas.filter(
    ({ role, storage }) => role !== 'leaving' && !isDecommissioned(nodes, storage),
  );
}
