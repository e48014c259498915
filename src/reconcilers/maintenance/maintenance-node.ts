import type { Node, Pod } from '../../api/kubernetes.ts';
import type { ClusterContext } from '../cluster-context.ts';
import { podsOf } from '../status/pods-of.ts';
import { markOfNode } from './node-mark.ts';

/** What of a node matters to a maintenance. */
export interface MaintenanceNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Changes with each boot; empty if the node has not said. */
  readonly bootID: string;
  readonly isReady: boolean;
  readonly isCordoned: boolean;
  /** The maintenance that the operator has cordoned it for: see `nodeMark`. */
  readonly mark: string | undefined;
  /** The cluster's storages whose pods are bound to it, those that stop included. Sorted. */
  readonly storages: readonly string[];
}

/** The nodes by their names, with the storages of the cluster. */
export function maintenanceNodes(
  context: ClusterContext,
  { nodes, pods }: { readonly nodes: readonly Node[]; readonly pods: readonly Pod[] },
): ReadonlyMap<string, MaintenanceNode> {
  const storages = new Map<string, string[]>();
  for (const { metadata, spec } of podsOf(context, pods, { component: 'storage' })) {
    const { nodeName = '' } = spec;
    storages.set(nodeName, [...(storages.get(nodeName) ?? []), metadata.name]);
  }
  return new Map(
    nodes.map((one) => {
      const { metadata, spec = {}, status = {} } = one;
      const { name, labels = {} } = metadata;
      const node = {
        name,
        labels,
        bootID: status.nodeInfo?.bootID ?? '',
        isReady:
          status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ===
          true,
        isCordoned: spec.unschedulable === true,
        mark: markOfNode(one),
        storages: (storages.get(name) ?? []).toSorted(),
      };
      return [name, node] as const;
    }),
  );
}
