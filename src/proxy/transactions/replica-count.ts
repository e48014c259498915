import {
  inSyncVoters,
  moveOf,
  type RepairClaim,
  type Replica,
  type RepositoryRecord,
} from '../routing/repository-record.ts';
import type { RecordChange } from './record-change.ts';

/** Why a repository does not get another number of replicas. */
export type ReplicaCountRefusal =
  /** It has as many. */
  | 'already'
  /** There are not enough storages without a replica. */
  | 'tooFewStorages'
  /** Without those that would go, too few are in sync for a write. */
  | 'tooFewInSync';

/** The storages that hold the repository, or are to. */
export function assignedStorages(record: RepositoryRecord): readonly string[] {
  return record.replicas.filter(({ role }) => role !== 'leaving').map(({ storage }) => storage);
}

/**
 * Gives a repository so many replicas. New ones are learners that hold nothing yet; repair brings them in sync. Those
 * that are too many are leaving from now on: they take part in nothing any more, and repair removes them. The primary
 * stays, and replicas that are behind go first. A move that is under way is called off: what it has added counts as any
 * other replica.
 *
 * @param candidates storages in the order in which they are to get replicas; those that have one are passed over
 */
export function changeReplicaCount(
  given: RepositoryRecord,
  count: number,
  options: { readonly candidates: readonly string[]; readonly minInSyncReplicas: number },
): RecordChange<ReplicaCountRefusal> {
  const record = withoutMove(given);
  const assigned = assignedStorages(record);
  if (count === assigned.length) {
    return moveOf(given) === undefined
      ? { kind: 'refuse', reason: 'already' }
      : { kind: 'change', next: record };
  }
  if (count > assigned.length) {
    const holders = new Set(record.replicas.map(({ storage }) => storage));
    const added = options.candidates
      .filter((storage) => !holders.has(storage))
      .slice(0, count - assigned.length)
      .map((storage): Replica => ({ storage, lsn: -1n, role: 'learner' }));
    if (assigned.length + added.length < count) return { kind: 'refuse', reason: 'tooFewStorages' };
    return { kind: 'change', next: { ...record, replicas: [...record.replicas, ...added] } };
  }
  const inSync = inSyncVoters(record);
  const dispensable = assigned
    .filter((storage) => storage !== record.primary)
    .toSorted((a, b) => Number(inSync.includes(a)) - Number(inSync.includes(b)));
  const going = new Set(dispensable.slice(0, assigned.length - count));
  const remaining = inSync.filter((storage) => !going.has(storage));
  const loses = remaining.length < inSync.length;
  if (loses && remaining.length < options.minInSyncReplicas) {
    return { kind: 'refuse', reason: 'tooFewInSync' };
  }
  const replicas = record.replicas.map((replica) =>
    going.has(replica.storage) ? { ...replica, role: 'leaving' as const } : replica,
  );
  return { kind: 'change', next: { ...record, replicas } };
}

/** With a replica that is to replace another as one like all others. */
export function withoutMove(record: RepositoryRecord): RepositoryRecord {
  if (moveOf(record) === undefined) return record;
  return { ...record, replicas: record.replicas.map(withoutTarget) };
}

function withoutTarget(replica: Replica): Replica {
  const { replaces: _, ...rest } = replica;
  return rest;
}

/** Why a replica is not sent away. */
export type RetirementRefusal =
  /** There is none, or it is leaving already. */
  | 'gone'
  /** The primary has to move first. */
  | 'isPrimary'
  /** Without it too few are in sync. */
  | 'tooFewInSync';

/**
 * Sends one replica away: it takes part in nothing any more, and repair removes it.
 *
 * @param leastInSync so many others have to be in sync
 */
export function retireReplica(
  record: RepositoryRecord,
  storage: string,
  leastInSync: number,
): RecordChange<RetirementRefusal> {
  const replica = record.replicas.find((candidate) => candidate.storage === storage);
  if (replica === undefined || replica.role === 'leaving')
    return { kind: 'refuse', reason: 'gone' };
  if (record.primary === storage) return { kind: 'refuse', reason: 'isPrimary' };
  const others = inSyncVoters(record).filter((voter) => voter !== storage);
  if (others.length < leastInSync) return { kind: 'refuse', reason: 'tooFewInSync' };
  const replicas = record.replicas.map((candidate) =>
    candidate === replica ? { ...candidate, role: 'leaving' as const } : candidate,
  );
  return { kind: 'change', next: { ...record, replicas } };
}

/** Why a leaving replica is not removed now. */
export type RemovalRefusal =
  | 'notLeaving'
  /** Somebody else removes or changes it. */
  | 'claimed';

/**
 * The first step of removing a leaving replica: nobody else touches it as long as the owner of `claim` lives.
 *
 * @param abandoned an earlier claim, whose owner is known to be gone
 */
export function claimRemoval(
  record: RepositoryRecord,
  storage: string,
  claim: RepairClaim,
  abandoned?: RepairClaim,
): RecordChange<RemovalRefusal> {
  const replica = record.replicas.find((candidate) => candidate.storage === storage);
  if (replica?.role !== 'leaving') return { kind: 'refuse', reason: 'notLeaving' };
  if (replica.repair !== undefined && replica.repair.id !== abandoned?.id) {
    return { kind: 'refuse', reason: 'claimed' };
  }
  const replicas = record.replicas.map((candidate) =>
    candidate === replica ? { ...replica, repair: claim } : candidate,
  );
  return { kind: 'change', next: { ...record, replicas } };
}

/** Strikes out a leaving replica that its storage has removed under that claim. */
export function dropReplica(
  record: RepositoryRecord,
  claim: RepairClaim,
): RecordChange<'notLeaving'> {
  const isRemoved = ({ role, repair }: Replica) => role === 'leaving' && repair?.id === claim.id;
  if (!record.replicas.some(isRemoved)) return { kind: 'refuse', reason: 'notLeaving' };
  const replicas = record.replicas.filter((replica) => !isRemoved(replica));
  return { kind: 'change', next: { ...record, replicas } };
}
