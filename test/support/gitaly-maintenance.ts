import type {
  GitalyMaintenance,
  GitalyMaintenanceSpec,
  GitalyMaintenanceStatus,
} from '../../src/api/generated/gitaly-maintenance.ts';
import type { MaintenanceNode } from '../../src/reconcilers/maintenance/maintenance-node.ts';
import type { NodeRecord } from '../../src/reconcilers/maintenance/node-record.ts';

interface MaintenanceFields extends Partial<GitalyMaintenanceSpec> {
  readonly name?: string;
  readonly createdAt?: string;
  readonly phase?: GitalyMaintenanceStatus['phase'];
  readonly records?: readonly NodeRecord[];
}

/** The maintenance `kernel-patch` of the nodes `a`, `b` and `c` of the cluster `gitaly`, but for what is given. */
export function maintenanceOf(fields: MaintenanceFields = {}): GitalyMaintenance {
  const { name = 'kernel-patch', createdAt, phase, records, ...spec } = fields;
  const creationTimestamp = createdAt ?? '2026-11-22T00:00:00Z';
  return {
    apiVersion: 'gitaly.dev/v1alpha1',
    kind: 'GitalyMaintenance',
    metadata: {
      name,
      namespace: 'gitlab',
      uid: `uid-of-${name}`,
      creationTimestamp,
      generation: 1,
    },
    spec: { clusterName: 'gitaly', nodes: { names: ['a', 'b', 'c'] }, ...spec },
    ...((phase ?? records) && {
      status: { ...(phase && { phase }), ...(records && { nodes: [...records] }) },
    }),
  };
}

/** A node that is ready, not cordoned, and has the storage `on-NAME`, but for what is given. */
export function maintenanceNode(
  name: string,
  rest: Partial<MaintenanceNode> = {},
): MaintenanceNode {
  return {
    name,
    labels: {},
    bootID: 'boot-1',
    isReady: true,
    isCordoned: false,
    mark: undefined,
    storages: [`on-${name}`],
    ...rest,
  };
}
