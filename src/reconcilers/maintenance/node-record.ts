import type { GitalyMaintenanceStatus } from '../../api/generated/gitaly-maintenance.ts';
import { kubeTime } from '../../api/kube-time.ts';
import type { JudgedStorage } from '../rollout/judged-storage.ts';
import { isWhole, ownDrainOf } from '../rollout/storage-state.ts';
import type { MaintenanceNode } from './maintenance-node.ts';

/** What was done with a node, and when. Once a node is begun, its record is kept whatever happens. */
export type NodeRecord = NonNullable<GitalyMaintenanceStatus['nodes']>[number];

/** What the next record of a node is told from. */
export interface NodeSight {
  /** Undefined if the node does not exist any more. */
  readonly node: MaintenanceNode | undefined;
  /** The mark of this maintenance. */
  readonly mark: string;
  /** By name. */
  readonly storages: ReadonlyMap<string, JudgedStorage>;
  /** The storages whose drains are asked for now. */
  readonly begun: ReadonlySet<string>;
  readonly nodeDone: 'Rebooted' | 'Uncordoned';
  /** Milliseconds since 1970-01-01 UTC. */
  readonly nowMs: number;
}

/** The record of a node that nothing was done with. */
export function waitingRecord({
  name,
  storages,
}: Pick<MaintenanceNode, 'name' | 'storages'>): NodeRecord {
  return { name, phase: 'Waiting', storages: [...storages] };
}

/**
 * What the record of a node is now.
 *
 * - `Waiting`: clients use its storages, until a drain of one is asked for.
 * - `Draining`: until it is cordoned and no storage is left on it; or `Waiting` again, if all drains were taken back.
 * - `Cleared`: whoever maintains it may reboot it, until it is up again: it has, or was uncordoned, or is no more.
 *   `Draining` again, if a pod was bound to it in the moment in which it was cordoned.
 * - `Returning`: until the storages that were on it serve again, with every replica in sync.
 * - `Done`.
 */
export function nextRecord(record: NodeRecord, sight: NodeSight): NodeRecord {
  switch (record.phase) {
    case 'Waiting':
      return fromWaiting(record, sight);
    case 'Draining':
      return fromDraining(record, sight);
    case 'Cleared':
      return fromCleared(record, sight);
    case 'Returning':
      return isBack(record, sight) ? at(record, 'Done', 'doneAt', sight) : record;
    case 'Done':
      return record;
    default:
      return record.phase satisfies never;
  }
}

function fromWaiting(record: NodeRecord, sight: NodeSight): NodeRecord {
  const { node, storages } = sight;
  if (!node) return record;
  const isBegun = node.storages.some((name) => {
    const pod = storages.get(name)?.pod;
    return pod?.kind === 'present' && pod.maintenance !== undefined && isDrained(name, sight);
  });
  const waiting = waitingRecord(node);
  if (!isBegun) return waiting;
  const { bootID } = node;
  return { ...at(waiting, 'Draining', 'startedAt', sight), ...(bootID !== '' && { bootID }) };
}

function fromDraining(before: NodeRecord, sight: NodeSight): NodeRecord {
  const { node, mark, storages } = sight;
  // Nobody has to give back what is gone, but its storages have to be back somewhere.
  if (!node) return at(at(before, 'Cleared', 'clearedAt', sight), 'Returning', 'upAt', sight);
  const record = { ...before, storages: [...new Set([...before.storages, ...node.storages])] };
  const isStopped = node.isCordoned && node.mark === mark;
  if (isStopped && node.storages.length === 0) return at(record, 'Cleared', 'clearedAt', sight);
  const isGivenUp = record.storages.every(
    (name) =>
      node.storages.includes(name) &&
      storages.get(name)?.pod.kind === 'present' &&
      !isDrained(name, sight),
  );
  return isGivenUp ? waitingRecord(node) : record;
}

function fromCleared(record: NodeRecord, sight: NodeSight): NodeRecord {
  if (isUp(record, sight)) return at(record, 'Returning', 'upAt', sight);
  if (!sight.node || sight.node.storages.length === 0) return record;
  const { clearedAt: _, ...rest } = record;
  return fromDraining({ ...rest, phase: 'Draining' }, sight);
}

/** Whether the operator drains the storage, or will from now on. */
function isDrained(name: string, { storages, begun }: NodeSight): boolean {
  return begun.has(name) || ownDrainOf(storages.get(name)?.report) !== undefined;
}

function isUp({ bootID }: NodeRecord, { node, nodeDone }: NodeSight): boolean {
  if (!node || !node.isCordoned) return true;
  // A boot that nobody can compare with is none: then it takes somebody who uncordons it.
  const hasBooted = bootID !== undefined && node.bootID !== bootID;
  return nodeDone === 'Rebooted' && node.isReady && hasBooted;
}

function isBack(record: NodeRecord, { storages }: NodeSight): boolean {
  return record.storages.every((name) => {
    const storage = storages.get(name);
    // It was taken out of the spec meanwhile.
    if (!storage) return true;
    return storage.pod.kind === 'present' && isWhole(storage.report) && !ownDrainOf(storage.report);
  });
}

function at(
  record: NodeRecord,
  phase: NodeRecord['phase'],
  time: 'startedAt' | 'clearedAt' | 'upAt' | 'doneAt',
  { nowMs }: NodeSight,
): NodeRecord {
  return { ...record, phase, [time]: kubeTime(nowMs) };
}
