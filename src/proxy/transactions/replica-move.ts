import {
  inSyncVoters,
  moveOf,
  type Move,
  type Replica,
  type RepositoryRecord,
} from '../routing/repository-record.ts';
import type { RecordChange } from './record-change.ts';
import { addReplica } from './record-changes.ts';
import {
  assignedStorages,
  retireReplica,
  withoutMove,
  type RetirementRefusal,
} from './replica-count.ts';

/**
 * The first step of a move: a learner on `to` that holds nothing yet, and is there in place of the replica on `from`.
 * Repair brings it in sync, and then {@link endMove}s it.
 *
 * @returns refused if there is a replica on `to`, or none on `from`, or another move is under way
 */
export function beginMove(
  record: RepositoryRecord,
  { from, to }: Move,
): RecordChange<'already' | 'leaving' | 'gone' | 'moving'> {
  if (moveOf(record) !== undefined) return { kind: 'refuse', reason: 'moving' };
  if (!assignedStorages(record).includes(from)) return { kind: 'refuse', reason: 'gone' };
  const added = addReplica(record, to);
  if (added.kind === 'refuse') return added;
  const learner: Replica = { storage: to, lsn: -1n, role: 'learner', replaces: from };
  const replicas = [...record.replicas, learner];
  return { kind: 'change', next: { ...record, replicas } };
}

/** Why a move is not ended now. */
export type EndMoveRefusal = 'notMoving' | 'notInSync' | RetirementRefusal;

/**
 * The last step of the move to that storage: the replica that it replaces is sent away. Not before the new one is in sync,
 * and as many others as there would be without the move. If there is nothing to be replaced any more, the new one stays,
 * as any other.
 */
export function endMove(
  record: RepositoryRecord,
  to: string,
  replicationFactor: number,
): RecordChange<EndMoveRefusal> {
  const move = moveOf(record);
  if (move?.to !== to) return { kind: 'refuse', reason: 'notMoving' };
  const assigned = assignedStorages(record);
  if (!assigned.includes(move.from)) return { kind: 'change', next: withoutMove(record) };
  if (!inSyncVoters(record).includes(to)) return { kind: 'refuse', reason: 'notInSync' };
  const leastInSync = Math.max(replicationFactor, assigned.length - 1);
  const retired = retireReplica(record, move.from, leastInSync);
  return retired.kind === 'refuse' ? retired : { kind: 'change', next: withoutMove(retired.next) };
}
