import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import type { ObjectReference } from '../kube/resource-types.ts';

/** What the events of a cluster are about. */
export function referenceTo({ apiVersion, kind, metadata }: GitalyCluster): ObjectReference {
  const { name, namespace = '', uid = '' } = metadata;
  return { apiVersion, kind, namespace, name, uid };
}
