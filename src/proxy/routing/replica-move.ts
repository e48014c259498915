import { isDraining, isHealthy, type NodeStatus, type NodeView } from './node-view.ts';
import { isPoolPath } from './replica-path.ts';
import { inSyncVoters, moveOf, type Move, type RepositoryRecord } from './repository-record.ts';
import type { ReplicationPolicy } from './route.ts';

/**
 * Why a replica is not to move like that now, for people; undefined if it may. Only what is whole moves, and while
 * nothing goes on with its storages; it goes where a new replica would, and to no zone with more of its replicas.
 * Object pools stay: what is on a storage may borrow from the pool there.
 */
export function moveRefusal(
  record: RepositoryRecord,
  { from, to }: Move,
  nodes: NodeView,
  { replicationFactor }: ReplicationPolicy,
): string | undefined {
  const { replicas, relativePath } = record;
  const holders = replicas.map(({ storage }) => storage);
  if (isPoolPath(relativePath)) return 'an object pool stays where its forks are';
  if (record.intents.some(({ kind }) => kind === 'creation')) return 'it is being created';
  if (moveOf(record) !== undefined) return 'another of its replicas is being moved';
  if (!holders.includes(from)) return `it has no replica on ${from}`;
  if (holders.includes(to)) return `it has a replica on ${to} already`;
  const inSync = inSyncVoters(record).filter((storage) => isHealthy(nodes, storage));
  if (inSync.length < Math.max(holders.length, replicationFactor)) {
    return 'not all of its replicas are in sync and can be reached';
  }
  const goes = [...holders, to].find((storage) => isDraining(nodes, storage));
  if (goes !== undefined) return `storage ${goes} is being drained`;
  const target = nodes.get(to);
  if (target?.healthy !== true) return `storage ${to} cannot be reached`;
  if (target.isFull === true) return `the disk of storage ${to} is full`;
  if (target.weight === 0) return `storage ${to} weighs 0`;
  const others = holders.filter((storage) => storage !== from);
  return crowdsZone(others, nodes.get(from), target, nodes)
    ? `zone ${target.zone ?? 'unknown'} would have more of its replicas`
    : undefined;
}

/** Whether more of the other replicas are in the zone of `to` than in that of `from`, or nobody would know any more. */
function crowdsZone(
  others: readonly string[],
  from: NodeStatus | undefined,
  to: NodeStatus,
  nodes: NodeView,
): boolean {
  if (to.zone === undefined) return from?.zone !== undefined;
  const inZone = (zone: string | undefined) =>
    zone === undefined ? 0 : others.filter((other) => nodes.get(other)?.zone === zone).length;
  return inZone(to.zone) > inZone(from?.zone);
}
