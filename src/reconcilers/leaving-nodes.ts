import type { Node } from '../api/kubernetes.ts';

/** The nodes that are about to go, each by its name with why, for a person: `node-2 is cordoned`. */
export type LeavingNodes = ReadonlyMap<string, string>;

/** How the operator learns of {@link LeavingNodes}. */
export interface NodeWatching {
  /** Whether it has the right to. Without, no node is ever about to go. */
  readonly areWatched: boolean;
  /** Keys of further taints of nodes that are about to go. */
  readonly ownTaints: readonly string[];
  /** Whether it has the right to cordon and uncordon nodes, which maintenances need. Not without {@link areWatched}. */
  readonly mayCordon: boolean;
}

/**
 * Taints of those who are about to clear a node of its pods, and evict them. Not among them are taints of a node that
 * has gone already, such as `node.kubernetes.io/out-of-service` and `node.cloudprovider.kubernetes.io/shutdown`: there
 * is nothing left to drain. Nor those that only prefer other nodes.
 */
const wellKnownTaints: readonly string[] = [
  'node.kubernetes.io/unschedulable',
  // Cluster Autoscaler
  'ToBeDeletedByClusterAutoscaler',
  // Karpenter, and what it was before version 1
  'karpenter.sh/disrupted',
  'karpenter.sh/disruption',
  // AWS Node Termination Handler
  'aws-node-termination-handler/asg-lifecycle-termination',
  'aws-node-termination-handler/scheduled-maintenance',
  'aws-node-termination-handler/spot-itn',
  // Google Kubernetes Engine
  'cloud.google.com/impending-node-termination',
  // Azure Kubernetes Service, by its new name and its old one
  'remediator.kubernetes.azure.com/unschedulable',
  'remediator.aks.microsoft.com/unschedulable',
];

/**
 * Which of the nodes are about to go: those that are cordoned, or that have a well-known taint.
 *
 * @param ownTaints keys of further taints that say so
 */
export function leavingNodes(nodes: readonly Node[], ownTaints: readonly string[]): LeavingNodes {
  const taints = new Set([...wellKnownTaints, ...ownTaints]);
  return new Map(
    nodes.flatMap((node) => {
      const sign = signOf(node, taints);
      const { name } = node.metadata;
      return sign === undefined ? [] : [[name, `node ${name} ${sign}`] as const];
    }),
  );
}

function signOf({ spec = {} }: Node, wanted: ReadonlySet<string>): string | undefined {
  const { unschedulable, taints = [] } = spec;
  if (unschedulable === true) return 'is cordoned';
  const taint = taints.find(({ key }) => wanted.has(key));
  return taint && `has the taint ${taint.key}`;
}
