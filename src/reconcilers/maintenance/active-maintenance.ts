import type { GitalyMaintenance } from '../../api/generated/gitaly-maintenance.ts';
import {
  chosenMaintenance,
  closedBy,
  isMeant,
  isUnderWay,
  type MaintenanceView,
} from './chosen-maintenance.ts';
import type { ActiveMaintenance, NodeToClear } from '../rollout/maintenance-request.ts';
import type { MaintenanceNode } from './maintenance-node.ts';
import { nodeMark } from './node-mark.ts';
import { waitingRecord, type NodeRecord } from './node-record.ts';

/** What the maintenance whose turn it is asks of the roll; undefined if none is. */
export function activeMaintenance(view: MaintenanceView): ActiveMaintenance | undefined {
  const maintenance = chosenMaintenance(view);
  if (!maintenance) return undefined;
  const { groupSize = 1, maxUnavailable = groupSize } = maintenance.spec;
  const records = recordsOf(maintenance, view.nodes);
  return {
    groupSize,
    maxUnavailable,
    nodesToClear: nodesToClear(maintenance, records, view),
    awaiting: new Map(records.filter(isUnderWay).flatMap(awaitingOf)),
  };
}

/** The mark of a node that is cordoned for the maintenance. */
export function markOf({ metadata, spec }: GitalyMaintenance): string {
  const { namespace = '', name } = metadata;
  return nodeMark({ namespace, cluster: spec.clusterName, maintenance: name });
}

/** Of each node that the maintenance has begun, or has yet to: by name. Nodes without storages are none of its. */
export function recordsOf(
  maintenance: GitalyMaintenance,
  nodes: ReadonlyMap<string, MaintenanceNode>,
): readonly NodeRecord[] {
  const begun = (maintenance.status?.nodes ?? []).filter(({ phase }) => phase !== 'Waiting');
  const known = new Set(begun.map(({ name }) => name));
  const waiting = [...nodes.values()].filter(
    (node) => !known.has(node.name) && node.storages.length > 0 && isMeant(maintenance, node),
  );
  return [...begun, ...waiting.map(waitingRecord)].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The nodes that may be begun, and those that are: the first alone, as it is what the maintenance is tried on, and all
 * when one is done; none while one is under way, so that no more are cordoned than go together. Not those that somebody
 * else has cordoned, who is to clear them.
 */
function nodesToClear(
  maintenance: GitalyMaintenance,
  records: readonly NodeRecord[],
  view: MaintenanceView,
): ReadonlyMap<string, NodeToClear> {
  const mark = markOf(maintenance);
  const isFree = ({ name }: NodeRecord) => {
    const node = view.nodes.get(name);
    return node !== undefined && (!node.isCordoned || node.mark === mark);
  };
  const draining = records.filter(({ phase }) => phase === 'Draining');
  const waiting = records.filter(({ phase }) => phase === 'Waiting').filter(isFree);
  const isTried = records.some(({ phase }) => phase === 'Done');
  const isOpen = closedBy(maintenance, view) === undefined;
  const next = isTried ? waiting : waiting.slice(0, 1);
  const mayBegin = isOpen && !records.some(isUnderWay);
  const chosen = [...draining.filter(isFree), ...(mayBegin ? next : [])];
  return new Map(
    chosen.map(({ name }) => {
      const reason = `node ${name} is in maintenance ${maintenance.metadata.name}`;
      return [name, { node: name, mark, reason }];
    }),
  );
}

function awaitingOf({
  storages,
  upAt,
}: NodeRecord): readonly (readonly [string, number | undefined])[] {
  const sinceMs = upAt === undefined ? undefined : Date.parse(upAt);
  return storages.map((name) => [name, sinceMs] as const);
}
