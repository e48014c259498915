import {
  inSyncVoters,
  isInSync,
  maxIntents,
  type Barrier,
  type Intent,
  type RepairClaim,
  type Replica,
  type RepositoryRecord,
} from '../routing/repository-record.ts';
import { hasBarrier, isUnder, withoutBarrier } from './barrier-changes.ts';
import type { RecordChange } from './record-change.ts';

/** Why an intent is not taken. All but `barrier` and `busy` are final for the write as it was routed. */
export type IntentRefusal =
  /** A primary has fallen behind, or a dead owner's writes were settled, since the write was routed. */
  | 'fenced'
  /** The storage whose answer the client is to get has fallen behind. */
  | 'primaryBehind'
  /** Too few of the routed voters are still in sync. */
  | 'tooFewVoters'
  /** A repair holds writes back for a moment. */
  | 'barrier'
  /** Too many writes are in flight. */
  | 'busy';

/**
 * Makes a write durable before the first node is told to commit (invariant I1). `intent.voters` are
 * all that take part; those that are in sync vote. Nobody becomes a voter while the intent stands. An earlier one of
 * the same transaction is replaced: by one that was asked for again, or taken anew after a lease ran out.
 *
 * @param options.primary whom the write was routed with. The repository's may be another one by now, as
 *   long as both vote: so what takes long is not in the way of a move, and no move ends it.
 */
export function takeIntent(
  record: RepositoryRecord,
  intent: Intent,
  options: {
    readonly primary: string;
    readonly minInSyncReplicas: number;
    readonly nowMs: number;
  },
): RecordChange<IntentRefusal> {
  if (record.epoch !== intent.epoch) return { kind: 'refuse', reason: 'fenced' };
  if (hasBarrier(record, options.nowMs)) return { kind: 'refuse', reason: 'barrier' };
  const others = record.intents.filter(({ transaction }) => transaction !== intent.transaction);
  if (others.length >= maxIntents) return { kind: 'refuse', reason: 'busy' };
  const inSync = inSyncVoters(record);
  const voters = intent.voters.filter((storage) => inSync.includes(storage));
  if (!voters.includes(options.primary)) return { kind: 'refuse', reason: 'primaryBehind' };
  if (voters.length < options.minInSyncReplicas || !voters.includes(record.primary)) {
    return { kind: 'refuse', reason: 'tooFewVoters' };
  }
  const intents = [...others, { ...intent, voters }];
  return { kind: 'change', next: { ...withoutBarrier(record), intents } };
}

/** Removes an intent of a write that has changed nothing. */
export function dropIntent(record: RepositoryRecord, transaction: string): RecordChange<'gone'> {
  const intents = record.intents.filter((intent) => intent.transaction !== transaction);
  if (intents.length === record.intents.length) return { kind: 'refuse', reason: 'gone' };
  return { kind: 'change', next: withIntents(record, intents) };
}

/** A barrier for comparisons goes with the last write that is to be compared. */
function withIntents(record: RepositoryRecord, intents: readonly Intent[]): RepositoryRecord {
  const isNeeded = intents.some(({ hasEnded }) => hasEnded === true);
  const kept = record.barrier?.forComparison && !isNeeded ? withoutBarrier(record) : record;
  return { ...kept, intents };
}

/** The owner of writes that are left to be settled by whoever comes first. No proxy has this name. */
const nobody = '';

/**
 * Gives up the ownership of a write whose outcome its owner cannot find out: it is settled like that
 * of an owner that is gone, by comparing contents.
 */
export function abandonIntent(record: RepositoryRecord, transaction: string): RecordChange<'gone'> {
  if (!record.intents.some((intent) => intent.transaction === transaction)) {
    return { kind: 'refuse', reason: 'gone' };
  }
  const intents = record.intents.map((intent) => {
    if (intent.transaction !== transaction) return intent;
    const { hasEnded: _, ...rest } = intent;
    return { ...rest, owner: nobody };
  });
  return { kind: 'change', next: withIntents(record, intents) };
}

/** Why a write that some nodes hold is not recorded. The client must not be told that it is. */
export type SettleRefusal =
  /** Its intent is gone: another proxy took the owner for dead and settled the write. */
  | 'gone'
  /** No in-sync voter holds it: other writes were recorded first, and have left its holders behind. */
  | 'overtaken';

/**
 * Records a write that `holders` hold: the LSN grows, in-sync holders move along, and every other
 * replica is behind from now on (invariant I3). A primary that is not among them is replaced (I5).
 *
 * One that was overtaken has to be left to others: an in-sync voter that was lost may hold it all the
 * same, or a part of it. {@link heldBy} on the result tells how many hold it.
 */
export function settleWrite(
  record: RepositoryRecord,
  transaction: string,
  holders: readonly string[],
): RecordChange<SettleRefusal> {
  const dropped = dropIntent(record, transaction);
  if (dropped.kind === 'refuse') return dropped;
  const remaining = inSyncVoters(record).filter((storage) => holders.includes(storage));
  const [successor] = remaining;
  if (successor === undefined) return { kind: 'refuse', reason: 'overtaken' };

  const lsn = record.lsn + 1n;
  const replicas = record.replicas.map((replica) =>
    isInSync(record, replica.storage) && holders.includes(replica.storage)
      ? { ...replica, lsn }
      : replica,
  );
  const settled = { ...dropped.next, lsn, replicas };
  return {
    kind: 'change',
    next: remaining.includes(record.primary) ? settled : withPrimary(settled, successor),
  };
}

/** The in-sync voters that hold a write which {@link settleWrite} has recorded. */
export function heldBy(settled: RepositoryRecord, holders: readonly string[]): readonly string[] {
  return inSyncVoters(settled).filter((storage) => holders.includes(storage));
}

/** Moves the primary to an in-sync voter. Writes in flight go on with the one that they began with. */
export function movePrimary(
  record: RepositoryRecord,
  to: string,
): RecordChange<'notInSync' | 'already'> {
  if (record.primary === to) return { kind: 'refuse', reason: 'already' };
  if (!inSyncVoters(record).includes(to)) return { kind: 'refuse', reason: 'notInSync' };
  return { kind: 'change', next: { ...record, primary: to } };
}

/** With another primary, since the one before is behind, in a new epoch. */
export function withPrimary(record: RepositoryRecord, primary: string): RepositoryRecord {
  return { ...record, primary, epoch: record.epoch + 1n };
}

/**
 * Gives a repository a replica on one more storage. It holds nothing yet, and repair fills it. Not while an earlier one
 * is being removed there: that would take the new one along.
 */
export function addReplica(
  record: RepositoryRecord,
  storage: string,
): RecordChange<'already' | 'leaving'> {
  const replica = record.replicas.find((candidate) => candidate.storage === storage);
  if (replica !== undefined) {
    return { kind: 'refuse', reason: replica.role === 'leaving' ? 'leaving' : 'already' };
  }
  const learner: Replica = { storage, lsn: -1n, role: 'learner' };
  return { kind: 'change', next: { ...record, replicas: [...record.replicas, learner] } };
}

/** Why a repair may not begin. */
export type ClaimRefusal = 'inSync' | 'claimed' | 'leaving';

/**
 * The first step of bringing a storage in sync: it gets a part in the writes that begin from now on,
 * without a vote that counts, and nobody else may repair it.
 *
 * @param abandoned an earlier claim, whose owner is known to be gone
 */
export function claimRepair(
  record: RepositoryRecord,
  storage: string,
  claim: RepairClaim,
  abandoned?: RepairClaim,
): RecordChange<ClaimRefusal> {
  const replica = record.replicas.find((candidate) => candidate.storage === storage);
  if (inSyncVoters(record).includes(storage)) return { kind: 'refuse', reason: 'inSync' };
  if (replica?.role === 'leaving') return { kind: 'refuse', reason: 'leaving' };
  if (replica?.repair !== undefined && replica.repair.id !== abandoned?.id) {
    return { kind: 'refuse', reason: 'claimed' };
  }
  const before = replica ?? { storage, lsn: -1n };
  const learner: Replica = { ...before, role: 'learner', repair: claim };
  const others = record.replicas.filter((candidate) => candidate.storage !== storage);
  return { kind: 'change', next: { ...record, replicas: [...others, learner] } };
}

/** What is kept of the reason why a repair has failed: it comes from storages, and may be of any length. */
const maxFailureLength = 500;

/**
 * Lets others repair a replica again. It stays a learner.
 *
 * @param failure why it is not in sync, for people
 */
export function releaseRepair(
  record: RepositoryRecord,
  claim: RepairClaim,
  failure?: string,
): RecordChange<'gone'> {
  if (!record.replicas.some((replica) => replica.repair?.id === claim.id)) {
    return { kind: 'refuse', reason: 'gone' };
  }
  const replicas = record.replicas.map((replica) =>
    replica.repair?.id === claim.id ? released(replica, failure) : replica,
  );
  return { kind: 'change', next: { ...record, replicas } };
}

function released(replica: Replica, failure: string | undefined): Replica {
  const { repair: _, ...rest } = replica;
  return failure === undefined
    ? rest
    : { ...rest, lastFailure: failure.slice(0, maxFailureLength) };
}

/** Neither claimed nor failed. */
function repaired(replica: Replica): Replica {
  const { repair: _, lastFailure: __, ...rest } = replica;
  return rest;
}

/** Why contents that were found equal cannot be relied on. */
export type PromoteRefusal =
  'writesInFlight' | 'barrierGone' | 'sourceBehind' | 'written' | 'claimLost';

/**
 * Declares the storage of `claim` in sync, whose contents were found equal to those of `source` under
 * `barrier`, with no write in flight. The source may have fallen behind while it was copied. Lowers
 * the barrier and gives the claim back.
 *
 * A write may have been recorded since `lsn`, the record's before contents were compared: one that was
 * in flight, whose owner had lost its lease, and which storages carried out too late to be seen.
 */
export function promote(
  record: RepositoryRecord,
  claim: RepairClaim,
  equal: { readonly barrier: Barrier; readonly source: string; readonly lsn: bigint },
): RecordChange<PromoteRefusal> {
  const { barrier, source, lsn } = equal;
  if (!isUnder(record, barrier)) return { kind: 'refuse', reason: 'barrierGone' };
  if (record.intents.length > 0) return { kind: 'refuse', reason: 'writesInFlight' };
  if (!inSyncVoters(record).includes(source)) return { kind: 'refuse', reason: 'sourceBehind' };
  if (record.lsn !== lsn) return { kind: 'refuse', reason: 'written' };
  const isClaimed = ({ repair, role }: Replica) =>
    repair?.id === claim.id && repair.isVoid !== true && role !== 'leaving';
  if (!record.replicas.some(isClaimed)) return { kind: 'refuse', reason: 'claimLost' };
  const replicas = record.replicas.map((replica) =>
    replica.repair?.id === claim.id
      ? { ...repaired(replica), role: 'voter' as const, lsn: record.lsn }
      : replica,
  );
  return { kind: 'change', next: { ...withoutBarrier(record), replicas } };
}

/** Why the writes of owners that are gone cannot be settled now. */
export type SettleAbandonedRefusal = 'barrierGone' | 'writesInFlight' | 'noneInSync';

/**
 * Settles the writes of owners that are gone, under `barrier`: of the in-sync voters
 * those in `equal` have the same contents and go on, in a new epoch; the others are behind.
 * Nothing acknowledged is lost, since every in-sync voter holds every acknowledged write (I2).
 */
export function settleAbandoned(
  record: RepositoryRecord,
  options: {
    readonly barrier: Barrier;
    readonly equal: readonly string[];
    readonly isAbandoned: (intent: Intent) => boolean;
  },
): RecordChange<SettleAbandonedRefusal> {
  const { barrier, equal, isAbandoned } = options;
  if (!isUnder(record, barrier)) return { kind: 'refuse', reason: 'barrierGone' };
  if (!record.intents.every(isAbandoned)) return { kind: 'refuse', reason: 'writesInFlight' };
  const remaining = inSyncVoters(record).filter((storage) => equal.includes(storage));
  const [successor] = remaining;
  if (successor === undefined) return { kind: 'refuse', reason: 'noneInSync' };

  const lsn = record.lsn + 1n;
  const replicas = record.replicas.map((replica) =>
    remaining.includes(replica.storage) ? { ...replica, lsn } : replica,
  );
  const primary = remaining.includes(record.primary) ? record.primary : successor;
  return {
    kind: 'change',
    next: withPrimary({ ...withoutBarrier(record), lsn, replicas, intents: [] }, primary),
  };
}

/** Why a replica is not made authoritative. */
export type AuthorityRefusal =
  /** It is the only one in sync, and no write is in doubt. */
  | 'already'
  | 'noReplica'
  /** Its first copy was never finished. */
  | 'neverInSync'
  /** It is behind, and one that is in sync can be had. */
  | 'notNeeded'
  /** A proxy that is alive changes what it holds. */
  | 'underRepair'
  | 'writesInFlight'
  | 'barrierGone';

/**
 * Why no person can sensibly declare the replica on `storage` to be right, as far as the record tells.
 *
 * @param holders storages that have shown that they have the repository
 */
export function refuseAuthority(
  record: RepositoryRecord,
  storage: string,
  holders: ReadonlySet<string>,
): Extract<AuthorityRefusal, 'already' | 'noReplica' | 'neverInSync' | 'notNeeded'> | undefined {
  const replica = record.replicas.find((candidate) => candidate.storage === storage);
  if (replica === undefined || replica.role === 'leaving') return 'noReplica';
  if (replica.lsn < 0n) return 'neverInSync';
  const inSync = inSyncVoters(record);
  if (inSync.includes(storage)) {
    return inSync.length === 1 && record.intents.length === 0 ? 'already' : undefined;
  }
  return inSync.some((voter) => holders.has(voter)) ? 'notNeeded' : undefined;
}

/**
 * Makes one replica the only one in sync, under `barrier`, because a person says so: the primary of a new epoch.
 * Every other replica is behind, whatever it holds, and intents of owners that are gone are dropped. This gives
 * up what the others were told of (the only exception to invariant I6), so nothing but a person may cause it.
 */
export function makeAuthoritative(
  record: RepositoryRecord,
  options: {
    readonly storage: string;
    readonly barrier: Barrier;
    readonly holders: ReadonlySet<string>;
    readonly isAbandoned: (work: Pick<Intent, 'owner'>) => boolean;
  },
): RecordChange<AuthorityRefusal> {
  const { storage, barrier, holders, isAbandoned } = options;
  if (!isUnder(record, barrier)) return { kind: 'refuse', reason: 'barrierGone' };
  if (!record.intents.every(isAbandoned)) return { kind: 'refuse', reason: 'writesInFlight' };
  const refusal = refuseAuthority(record, storage, holders);
  if (refusal !== undefined) return { kind: 'refuse', reason: refusal };
  const repair = record.replicas.find((replica) => replica.storage === storage)?.repair;
  if (repair !== undefined && !isAbandoned(repair)) {
    return { kind: 'refuse', reason: 'underRepair' };
  }
  const lsn = record.lsn + 1n;
  const replicas = record.replicas.map((replica) =>
    replica.storage === storage ? { ...repaired(replica), role: 'voter' as const, lsn } : replica,
  );
  return {
    kind: 'change',
    next: withPrimary({ ...withoutBarrier(record), lsn, replicas, intents: [] }, storage),
  };
}
