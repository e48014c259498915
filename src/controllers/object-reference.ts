import type { KubeObject } from '../api/kubernetes.ts';
import type { ObjectReference } from '../kube/resource-types.ts';

/** What the events of an object are about. */
export function referenceTo({ apiVersion, kind, metadata }: KubeObject): ObjectReference {
  const { name, namespace = '', uid = '' } = metadata;
  return { apiVersion, kind, namespace, name, uid };
}
