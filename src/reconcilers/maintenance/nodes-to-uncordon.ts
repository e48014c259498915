import type { GitalyMaintenance } from '../../api/generated/gitaly-maintenance.ts';
import { markOf } from './active-maintenance.ts';
import type { MaintenanceNode } from './maintenance-node.ts';
import { isMarkOf } from './node-mark.ts';

/**
 * The nodes that the operator has cordoned for maintenances of the cluster, and that may be used again: they are up,
 * or were given up, or their maintenance was deleted.
 *
 * @param maintenances with the statuses that are true now
 */
export function nodesToUncordon(
  cluster: { readonly namespace: string; readonly name: string },
  nodes: readonly Pick<MaintenanceNode, 'name' | 'mark'>[],
  maintenances: readonly GitalyMaintenance[],
): readonly string[] {
  const kept = new Set(
    maintenances.flatMap((one) =>
      (one.status?.nodes ?? [])
        .filter(({ phase }) => phase === 'Draining' || phase === 'Cleared')
        .map(({ name }) => `${markOf(one)} ${name}`),
    ),
  );
  return nodes
    .filter(({ name, mark }) => isMarkOf(mark, cluster) && !kept.has(`${mark} ${name}`))
    .map(({ name }) => name);
}
