/* Generated from crds/ by `npm run generate`. Edit the CRD instead. */

/**
 * Clears nodes of the Gitaly storages of a cluster, some at a time, so that each can be patched and booted anew without a client noticing, and has the storages back before the next nodes go.
 */
export interface GitalyMaintenance {
  /**
   * Always `gitaly.dev/v1alpha1`.
   */
  apiVersion: string;
  /**
   * Always `GitalyMaintenance`.
   */
  kind: string;
  metadata: import('../kubernetes.ts').ObjectMeta;
  spec: GitalyMaintenanceSpec;
  status?: GitalyMaintenanceStatus;
}
/**
 * What is wanted.
 */
export interface GitalyMaintenanceSpec {
  /**
   * The GitalyCluster in the same namespace whose storages are on the nodes. Cannot be changed.
   */
  clusterName: string;
  nodes: MaintenanceNodes;
  /**
   * How many storages go together at most, in place of `spec.update.groupSize` of the cluster while the maintenance runs. As many go as repositories and zones allow.
   */
  groupSize?: number;
  /**
   * How many storages may be away at most while a group goes, those included that are away for another reason. By default `groupSize`.
   */
  maxUnavailable?: number;
  window?: MaintenanceWindow;
  /**
   * How the operator knows that a cleared node is done. `Rebooted`: its boot ID is another one and it is ready; then the operator uncordons it. `Uncordoned`: somebody has uncordoned it; for work that needs no boot, or where the node is replaced by one of the same name.
   */
  nodeDone?: 'Rebooted' | 'Uncordoned';
  /**
   * True begins no further node. What is begun goes on to its end.
   */
  paused?: boolean;
}
/**
 * Which nodes: those of `names`, and those that have all labels of `matchLabels`. Nodes without a storage of the cluster are left alone.
 */
export interface MaintenanceNodes {
  /**
   * Names of nodes.
   *
   * @maxItems 1000
   */
  names?: string[];
  /**
   * Labels that a node must have, all of them.
   */
  matchLabels?: {
    [k: string]: string;
  };
}
/**
 * When nodes may be begun. What is begun goes on to its end. Without it, at any time.
 */
export interface MaintenanceWindow {
  /**
   * No node is begun before.
   */
  start?: string;
  /**
   * No node is begun from then on.
   */
  end?: string;
}
/**
 * What the operator did and observed.
 */
export interface GitalyMaintenanceStatus {
  /**
   * The generation of the spec that this status is about.
   */
  observedGeneration?: number;
  /**
   * `Pending`: no node is begun yet. `Running`. `Paused`: no further node is begun, as `paused` says. `Halted`: none is begun, as something is wrong that needs somebody. `Completed`: every node is done, and none will be begun any more.
   */
  phase?: 'Pending' | 'Running' | 'Paused' | 'Halted' | 'Completed';
  /**
   * What it waits for, and what to do, for a person.
   */
  message?: string;
  /**
   * Nodes in all, without those that have no storage of the cluster.
   */
  totalNodes?: number;
  /**
   * Nodes that are done and have their storages back.
   */
  doneNodes?: number;
  /**
   * When the first node was begun.
   */
  startedAt?: string;
  /**
   * When the last node was done.
   */
  completedAt?: string;
  /**
   * When the last node will be done, if all go on as those before. Absent while nothing is known, and once it is completed.
   */
  estimatedCompletionAt?: string;
  /**
   * The record of what was done when.
   */
  nodes?: MaintenanceNodeStatus[];
}
export interface MaintenanceNodeStatus {
  name: string;
  /**
   * `Waiting`: its turn comes. `Draining`: it is about to be cordoned and cleared, calls of clients come to their ends. `Cleared`: cordoned, and without storages of the cluster: patch and boot it now. `Returning`: it is done, and its storages come back and copy what they have missed. `Done`.
   */
  phase: 'Waiting' | 'Draining' | 'Cleared' | 'Returning' | 'Done';
  /**
   * Storages that are, or were, on it.
   */
  storages: string[];
  /**
   * What it had when it was begun. A boot makes another one.
   */
  bootID?: string;
  /**
   * When the drain of its storages was asked for.
   */
  startedAt?: string;
  /**
   * When the last pod of a storage had left it.
   */
  clearedAt?: string;
  /**
   * When it was seen to be done, as `nodeDone` says.
   */
  upAt?: string;
  /**
   * When its storages were in sync and took clients again.
   */
  doneAt?: string;
}
