import type { KubeObject } from '../api/kubernetes.ts';
import { labelKeys } from '../api/names.ts';
import type { ClusterContext } from './cluster-context.ts';

/** Whether an existing object may be applied over. */
export type Ownership =
  | { readonly kind: 'ours' }
  | {
      readonly kind: 'foreign';
      /** Whose it is and what to do, for a person. */
      readonly message: string;
    };

/**
 * Judges an object whose name we need. It is ours if it has our label and no owner, or this very
 * cluster as its owner.
 */
export function ownershipOf(
  { name, uid }: Pick<ClusterContext, 'name' | 'uid'>,
  { kind, metadata }: KubeObject,
): Ownership {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  const labelled = metadata.labels?.[labelKeys.cluster] === name;
  if (labelled && (!owner || owner.uid === uid)) return { kind: 'ours' };
  const object = `${kind} ${metadata.name}`;
  if (labelled && owner?.kind === 'GitalyCluster' && owner.name === name) {
    const message = `${object} is left from a deleted cluster of this name and about to go; waiting for it`;
    return { kind: 'foreign', message };
  }
  const whose = owner ? `belongs to ${owner.kind} ${owner.name}` : 'was not made by this cluster';
  const message = `${object} is needed and ${whose}: delete or rename it, or rename the cluster`;
  return { kind: 'foreign', message };
}
