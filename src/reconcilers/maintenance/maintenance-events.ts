import type { GitalyMaintenanceStatus } from '../../api/generated/gitaly-maintenance.ts';
import type { StatusEvent } from '../status/condition-events.ts';
import { fewNames } from '../rollout/roll-text.ts';
import type { NodeRecord } from './node-record.ts';

/** What happened to a maintenance between two of its statuses, as events: one for all nodes that something happened to. */
export function maintenanceEvents(
  before: GitalyMaintenanceStatus | undefined,
  after: GitalyMaintenanceStatus,
): readonly StatusEvent[] {
  const changed = (phase: NodeRecord['phase']) =>
    changedTo(phase, before?.nodes ?? [], after.nodes ?? []);
  const nodes = [
    ...tell('NodeDraining', changed('Draining'), 'clients are kept away from the storages on'),
    ...tell(
      'NodeCleared',
      changed('Cleared'),
      'cordoned and cleared of storages, to be maintained now:',
    ),
    ...tell('NodeUp', changed('Returning'), 'storages come back to'),
    ...tell('NodeDone', changed('Done'), 'done:'),
  ];
  const { phase, message = '' } = after;
  if (phase === before?.phase) return nodes;
  if (phase === 'Completed')
    return [...nodes, { type: 'Normal', reason: 'MaintenanceCompleted', note: message }];
  if (phase === 'Halted')
    return [...nodes, { type: 'Warning', reason: 'MaintenanceHalted', note: message }];
  return nodes;
}

function tell(reason: string, names: readonly string[], what: string): StatusEvent[] {
  return names.length === 0 ? [] : [{ type: 'Normal', reason, note: `${what} ${fewNames(names)}` }];
}

function changedTo(
  wanted: NodeRecord['phase'],
  before: readonly NodeRecord[],
  after: readonly NodeRecord[],
): readonly string[] {
  const phases = new Map(before.map(({ name, phase }) => [name, phase]));
  return after
    .filter(({ name, phase }) => phase === wanted && phases.get(name) !== wanted)
    .map(({ name }) => name);
}
