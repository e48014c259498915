import type { LabelSelector, ObjectMeta, OwnerReference } from '../api/kubernetes.ts';
import { apiVersion, labelKeys, fieldManager, type Component } from '../api/names.ts';
import type { ClusterContext } from './cluster-context.ts';

/** Which part of a cluster an object belongs to. */
export interface Part {
  readonly component: Component;
  readonly virtualStorage?: string;
}

/** The labels that pods are selected by. They never change in the life of a cluster. */
export function selectorLabels(context: ClusterContext, part: Part): Record<string, string> {
  return {
    [labelKeys.cluster]: context.name,
    [labelKeys.component]: part.component,
    ...(part.virtualStorage !== undefined && { [labelKeys.virtualStorage]: part.virtualStorage }),
  };
}

/** {@link selectorLabels} as a selector. */
export function selectorOf(context: ClusterContext, part: Part): LabelSelector {
  return { matchLabels: selectorLabels(context, part) };
}

/** The labels of every object of a part, by the recommendations of Kubernetes. */
export function labelsOf(context: ClusterContext, part: Part): Record<string, string> {
  return {
    ...selectorLabels(context, part),
    [labelKeys.managedBy]: fieldManager,
    'app.kubernetes.io/name': 'gitaly',
    'app.kubernetes.io/instance': context.name,
  };
}

/** Metadata of an object that goes when the cluster goes. */
export function ownedMeta(context: ClusterContext, part: Part, name: string): ObjectMeta {
  return {
    name,
    namespace: context.namespace,
    labels: labelsOf(context, part),
    ownerReferences: [ownerReference(context)],
  };
}

/**
 * Metadata of an object that holds what a later cluster of the same name needs: under
 * `deletionPolicy: Retain` it has no owner, so it stays.
 */
export function retainableMeta(context: ClusterContext, part: Part, name: string): ObjectMeta {
  const meta = ownedMeta(context, part, name);
  return context.spec.deletionPolicy === 'Delete' ? meta : { ...meta, ownerReferences: [] };
}

function ownerReference({ name, uid }: ClusterContext): OwnerReference {
  return {
    apiVersion,
    kind: 'GitalyCluster',
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
