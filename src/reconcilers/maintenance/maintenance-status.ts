import type {
  GitalyMaintenance,
  GitalyMaintenanceStatus,
} from '../../api/generated/gitaly-maintenance.ts';
import { kubeTime } from '../../api/kube-time.ts';
import type { RollPlan } from '../rollout/roll-plan.ts';
import { fewNames } from '../rollout/roll-text.ts';
import { markOf, recordsOf } from './active-maintenance.ts';
import {
  chosenMaintenance,
  closedBy,
  isUnderWay,
  type MaintenanceView,
} from './chosen-maintenance.ts';
import { estimatedEndMs } from './estimate.ts';
import { nextRecord, type NodeRecord } from './node-record.ts';

/** What the statuses of a cluster's maintenances are told from. */
export interface MaintenanceInput extends MaintenanceView {
  readonly roll: Pick<RollPlan, 'actions' | 'storages' | 'waits' | 'progress'>;
}

/** The status of each maintenance that is not completed. Equal input gives equal statuses. */
export function maintenanceStatuses(
  input: MaintenanceInput,
): readonly (readonly [GitalyMaintenance, GitalyMaintenanceStatus])[] {
  const chosen = chosenMaintenance(input);
  return input.maintenances
    .filter(({ status }) => status?.phase !== 'Completed')
    .map((one) => [one, statusOf(one, chosen, input)] as const);
}

function statusOf(
  maintenance: GitalyMaintenance,
  chosen: GitalyMaintenance | undefined,
  input: MaintenanceInput,
): GitalyMaintenanceStatus {
  const before = maintenance.status ?? {};
  const records =
    maintenance === chosen ? nextRecords(maintenance, input) : recordsOf(maintenance, input.nodes);
  const done = records.filter(({ phase }) => phase === 'Done').length;
  const unknown = unknownNames(maintenance, records, input);
  const isCompleted = records.length > 0 && done === records.length && unknown.length === 0;
  const starts = records.flatMap(({ startedAt }) => startedAt ?? []).toSorted();
  const startedAt = before.startedAt ?? starts[0];
  const closed = closedBy(maintenance, input);
  const isHalted = maintenance === chosen && input.roll.progress.kind === 'halted';
  const estimatedMs = estimatedEndMs(records, maintenance.spec.groupSize ?? 1);
  const isEstimated = !isHalted && closed === undefined && (estimatedMs ?? 0) > input.nowMs;
  return {
    observedGeneration: maintenance.metadata.generation ?? 0,
    phase: phaseOf(maintenance, { isCompleted, isHalted, hasBegun: startedAt !== undefined }),
    message: isCompleted
      ? `${count(done, 'node')} done`
      : messageOf(maintenance, { records, unknown, chosen, closed, isHalted, input }),
    totalNodes: records.length,
    doneNodes: done,
    ...(startedAt !== undefined && { startedAt }),
    ...(isCompleted && { completedAt: kubeTime(input.nowMs) }),
    ...(isEstimated &&
      estimatedMs !== undefined && { estimatedCompletionAt: kubeTime(estimatedMs) }),
    nodes: [...records],
  };
}

function nextRecords(
  maintenance: GitalyMaintenance,
  { nodes, roll, nowMs }: MaintenanceInput,
): readonly NodeRecord[] {
  const storages = new Map(roll.storages.map((storage) => [storage.name, storage]));
  const begun = new Set(
    roll.actions.flatMap(({ kind, storage }) => (kind === 'requestDrain' ? storage : [])),
  );
  const { nodeDone = 'Rebooted' } = maintenance.spec;
  const mark = markOf(maintenance);
  return recordsOf(maintenance, nodes).map((record) =>
    nextRecord(record, { node: nodes.get(record.name), mark, storages, begun, nodeDone, nowMs }),
  );
}

/** Names that are asked for, of which there is no node and was none. */
function unknownNames(
  { spec }: GitalyMaintenance,
  records: readonly NodeRecord[],
  { nodes }: MaintenanceInput,
): readonly string[] {
  const known = new Set(records.map(({ name }) => name));
  return (spec.nodes.names ?? []).filter((name) => !nodes.has(name) && !known.has(name));
}

function phaseOf(
  { spec }: GitalyMaintenance,
  is: { readonly isCompleted: boolean; readonly isHalted: boolean; readonly hasBegun: boolean },
): NonNullable<GitalyMaintenanceStatus['phase']> {
  if (is.isCompleted) return 'Completed';
  if (is.isHalted) return 'Halted';
  if (spec.paused === true) return 'Paused';
  return is.hasBegun ? 'Running' : 'Pending';
}

interface MessageInput {
  readonly records: readonly NodeRecord[];
  readonly unknown: readonly string[];
  readonly chosen: GitalyMaintenance | undefined;
  readonly closed: string | undefined;
  readonly isHalted: boolean;
  readonly input: MaintenanceInput;
}

/** What it waits for, the most pressing first, and what to do. */
function messageOf(maintenance: GitalyMaintenance, about: MessageInput): string {
  const { records, unknown, closed, isHalted, input } = about;
  const { progress } = input.roll;
  if (isHalted && 'message' in progress) return progress.message;
  const moving = movingMessage(maintenance, records);
  const waiting = records.filter(({ phase }) => phase === 'Waiting');
  const left = waiting.length === 0 ? undefined : `${count(waiting.length, 'node')} left`;
  const missing =
    unknown.length === 0
      ? undefined
      : `there is no node ${fewNames(unknown)}: correct spec.nodes.names`;
  const why = closed ?? waitOf(maintenance, about);
  const parts = [moving, missing, left && why ? `${left}: ${why}` : left];
  const told = parts.filter((part) => part !== undefined);
  if (told.length > 0) return told.join('; ');
  return `none of its nodes has a storage of ${maintenance.spec.clusterName}`;
}

/** Why no other node is begun now, if that is for anything but those that are under way. */
function waitOf(
  maintenance: GitalyMaintenance,
  { records, chosen, input }: MessageInput,
): string | undefined {
  if (chosen !== undefined && chosen !== maintenance) {
    return `maintenance ${chosen.metadata.name} goes first`;
  }
  const waiting = records.filter(({ phase }) => phase === 'Waiting');
  const taken = waiting.find(({ name }) => input.nodes.get(name)?.isCordoned === true);
  if (taken)
    return `${taken.name} is cordoned already: clear it with kubectl drain, or uncordon it`;
  if (records.some(isUnderWay)) return undefined;
  const reasons = waiting
    .flatMap(({ storages }) => storages)
    .flatMap((name) => {
      const reason = input.roll.waits.get(name);
      return reason === undefined ? [] : [`${name} waits: ${reason}`];
    });
  const { progress } = input.roll;
  return reasons[0] ?? (progress.kind === 'waiting' ? progress.message : undefined);
}

function movingMessage(
  { spec }: GitalyMaintenance,
  records: readonly NodeRecord[],
): string | undefined {
  const of = (wanted: NodeRecord['phase']) =>
    records.filter(({ phase }) => phase === wanted).map(({ name }) => name);
  const cleared = of('Cleared');
  const draining = of('Draining');
  const returning = of('Returning');
  const work = spec.nodeDone === 'Uncordoned' ? 'uncordon when done' : 'boot now';
  const parts = [
    ...(cleared.length === 0 ? [] : [`cleared, ${work}: ${fewNames(cleared)}`]),
    ...(draining.length === 0 ? [] : [`being cleared: ${fewNames(draining)}`]),
    ...(returning.length === 0 ? [] : [`storages come back to: ${fewNames(returning)}`]),
  ];
  return parts.length === 0 ? undefined : parts.join('; ');
}

function count(number: number, what: string): string {
  return `${number} ${number === 1 ? what : `${what}s`}`;
}
