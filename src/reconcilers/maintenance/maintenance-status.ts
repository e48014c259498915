import type {
  GitalyMaintenance,
  GitalyMaintenanceStatus,
} from '../../api/generated/gitaly-maintenance.ts';
import { kubeTime } from '../../api/kube-time.ts';
import { markOf, recordsOf } from './active-maintenance.ts';
import { chosenMaintenance, closedBy } from './chosen-maintenance.ts';
import { estimatedEndMs } from './estimate.ts';
import { maintenanceMessage, nodeCount, type MaintenanceInput } from './maintenance-message.ts';
import { nextRecord, type NodeRecord } from './node-record.ts';

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
      ? `${nodeCount(done)} done`
      : maintenanceMessage(maintenance, { records, unknown, chosen, closed, isHalted, input }),
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
