import type { GitalyMaintenance } from '../../api/generated/gitaly-maintenance.ts';
import type { MaintenanceNode } from './maintenance-node.ts';
import type { NodeRecord } from './node-record.ts';

/** What is known of the maintenances of a cluster. */
export interface MaintenanceView {
  /** Each with the newest status that is known. */
  readonly maintenances: readonly GitalyMaintenance[];
  /** By name. */
  readonly nodes: ReadonlyMap<string, MaintenanceNode>;
  /** Whether the operator has the right to cordon nodes. */
  readonly mayCordon: boolean;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly nowMs: number;
}

/**
 * The maintenance whose turn it is: the one that has begun with nodes; or else, of those that may begin, the oldest.
 * Undefined if there is none.
 */
export function chosenMaintenance(view: MaintenanceView): GitalyMaintenance | undefined {
  const order = inOrder(view.maintenances).filter(({ status }) => status?.phase !== 'Completed');
  return (
    order.find(({ status }) => (status?.nodes ?? []).some(isUnderWay)) ??
    order.find((one) => closedBy(one, view) === undefined)
  );
}

/** Why a maintenance may begin with no node, whatever the others do; undefined if it may. For a person. */
export function closedBy(
  { spec, metadata }: GitalyMaintenance,
  { mayCordon, nowMs }: Pick<MaintenanceView, 'mayCordon' | 'nowMs'>,
): string | undefined {
  const { start, end } = spec.window ?? {};
  if (metadata.deletionTimestamp !== undefined) return 'it is being deleted';
  if (!mayCordon) {
    return 'the operator may not cordon nodes: set nodes.watch and nodes.cordon to true in the values of its chart';
  }
  if (spec.paused === true) return 'it is paused: set spec.paused to false to go on';
  if (start !== undefined && nowMs < Date.parse(start)) return `its window opens at ${start}`;
  if (end !== undefined && nowMs >= Date.parse(end)) {
    return `its window closed at ${end}: give it another one to go on`;
  }
  return undefined;
}

/** Whether the record is of a node that was begun, and is not done. */
export function isUnderWay({ phase }: NodeRecord): boolean {
  return phase !== 'Waiting' && phase !== 'Done';
}

/** Whether the maintenance is about the node. */
export function isMeant(
  { spec }: GitalyMaintenance,
  { name, labels }: Pick<MaintenanceNode, 'name' | 'labels'>,
): boolean {
  const { names = [], matchLabels } = spec.nodes;
  const wanted = Object.entries(matchLabels ?? {});
  const hasLabels = wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
  return hasLabels || names.includes(name);
}

/** Oldest first. */
function inOrder(maintenances: readonly GitalyMaintenance[]): readonly GitalyMaintenance[] {
  const age = ({ metadata }: GitalyMaintenance) =>
    Date.parse(metadata.creationTimestamp ?? '') || 0;
  return maintenances.toSorted(
    (a, b) => age(a) - age(b) || a.metadata.name.localeCompare(b.metadata.name),
  );
}
