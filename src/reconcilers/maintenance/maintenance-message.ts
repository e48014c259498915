import type { GitalyMaintenance } from '../../api/generated/gitaly-maintenance.ts';
import type { RollPlan } from '../rollout/roll-plan.ts';
import { fewNames } from '../rollout/roll-text.ts';
import { isUnderWay, type MaintenanceView } from './chosen-maintenance.ts';
import type { NodeRecord } from './node-record.ts';

/** What the statuses of a cluster's maintenances are told from. */
export interface MaintenanceInput extends MaintenanceView {
  readonly roll: Pick<RollPlan, 'actions' | 'storages' | 'waits' | 'progress'>;
}

/** What the message of a maintenance is told from. */
export interface MessageInput {
  readonly records: readonly NodeRecord[];
  /** Nodes that it names, and that there never were. */
  readonly unknown: readonly string[];
  /** Whose turn it is. */
  readonly chosen: GitalyMaintenance | undefined;
  /** Why it may begin with no node. */
  readonly closed: string | undefined;
  readonly isHalted: boolean;
  readonly input: MaintenanceInput;
}

/** What a maintenance waits for, the most pressing first, and what to do. */
export function maintenanceMessage(maintenance: GitalyMaintenance, about: MessageInput): string {
  const { records, unknown, closed, isHalted, input } = about;
  const { progress } = input.roll;
  if (isHalted && 'message' in progress) return progress.message;
  const moving = movingMessage(maintenance, records);
  const waiting = records.filter(({ phase }) => phase === 'Waiting');
  const left = waiting.length === 0 ? undefined : `${nodeCount(waiting.length)} left`;
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

/** `1 node`, `2 nodes`. */
export function nodeCount(count: number): string {
  return `${count} ${count === 1 ? 'node' : 'nodes'}`;
}
