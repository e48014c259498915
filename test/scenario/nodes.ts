import type { Node } from '../../src/api/kubernetes.ts';
import type { Scope } from '../../src/base/scope.ts';
import type { Cluster } from '../testbed/cluster.ts';

/** The nodes that there are. */
export async function nodesOf(cluster: Cluster): Promise<readonly Node[]> {
  const { items } = JSON.parse(await cluster.kubectl(['get', 'nodes', '-o', 'json'])) as {
    items: Node[];
  };
  return items;
}

/** A node that a test has left cordoned would take no pods of the next. */
export function uncordonInTheEnd(scope: Scope, cluster: Cluster, node: string): void {
  scope.onStop(async () => {
    await cluster.kubectl(['uncordon', node]);
  });
}
