import { inSyncVoters, type Replica, type RepositoryRecord } from '../routing/repository-record.ts';
import type { StorageIdentity, StorageKey } from '../store/storage-identity.ts';
import type { RecordChange } from './record-change.ts';
import { withPrimary } from './record-changes.ts';

/** What a storage that shows some volume means for its identity (pure). */
export type IdentityStep =
  /** It is the volume that the records speak of, or nobody can tell. */
  | { readonly kind: 'serve' }
  /** Something has to be recorded first; then look again. */
  | { readonly kind: 'put'; readonly next: StorageIdentity }
  /** It is another volume, and that is recorded: what records say of the storage is to be given up. */
  | { readonly kind: 'replace'; readonly identity: StorageIdentity }
  /** It shows none, though it had one. */
  | { readonly kind: 'shownNone'; readonly identity: StorageIdentity };

/**
 * Compares the volume that a storage shows with the recorded one (pure).
 *
 * A volume that came back calls off the replacement that was begun meanwhile, in the record: that
 * changes its version, so that no proxy that stood still can finish what it had begun before.
 *
 * @param shown the filesystem id; empty if the storage's Gitaly tells none
 */
export function compareVolumes(
  key: StorageKey,
  recorded: StorageIdentity | undefined,
  shown: string,
): IdentityStep {
  if (recorded === undefined) {
    if (shown === '') return { kind: 'serve' };
    return { kind: 'put', next: { ...key, filesystemId: shown, version: 0n } };
  }
  if (shown === '') return { kind: 'shownNone', identity: recorded };
  if (shown === recorded.filesystemId) {
    if (recorded.replacement === undefined) return { kind: 'serve' };
    return { kind: 'put', next: withoutReplacement(recorded) };
  }
  if (shown === recorded.replacement) return { kind: 'replace', identity: recorded };
  return { kind: 'put', next: { ...recorded, replacement: shown } };
}

/** The other volume takes the recorded one's place. */
export function replaced(identity: StorageIdentity): StorageIdentity {
  const { replacement = identity.filesystemId } = identity;
  return { ...withoutReplacement(identity), filesystemId: replacement };
}

function withoutReplacement(identity: StorageIdentity): StorageIdentity {
  const { replacement: _, ...rest } = identity;
  return rest;
}

/** Why a replica is not given up. */
export type LossRefusal =
  /** Nobody takes it to hold anything. */
  | 'holdsNothing'
  /** No other replica that is in sync can be reached: it may be all that there is (invariant I6). */
  | 'noOther';

/**
 * Gives up a replica whose volume is gone: it holds nothing, and who repairs it has to begin anew. The
 * claim of a repair stays until that has ended: should it be the old volume after all that is there, the
 * storage may still copy, and two must not do that at a time. If it was the primary, another in-sync voter is, in a new epoch (I5).
 *
 * @param isReachable whether a storage shows that it is there, with the volume that records speak of
 */
export function giveUpReplica(
  record: RepositoryRecord,
  storage: string,
  isReachable: (storage: string) => boolean,
): RecordChange<LossRefusal> {
  const replica = record.replicas.find((candidate) => candidate.storage === storage);
  if (replica === undefined || holdsNothing(replica)) {
    return { kind: 'refuse', reason: 'holdsNothing' };
  }
  const successor = inSyncVoters(record).find((voter) => voter !== storage && isReachable(voter));
  if (successor === undefined) return { kind: 'refuse', reason: 'noOther' };
  const role = replica.role === 'leaving' ? replica.role : 'learner';
  const repair: Pick<Replica, 'repair'> =
    replica.repair === undefined ? {} : { repair: { ...replica.repair, isVoid: true } };
  const empty: Replica = { ...emptyReplica(replica), role, ...repair };
  const replicas = record.replicas.map((candidate) => (candidate === replica ? empty : candidate));
  const next = { ...record, replicas };
  if (record.primary !== storage) return { kind: 'change', next };
  return { kind: 'change', next: withPrimary(next, successor) };
}

/** A learner in its place that holds nothing. What it is there for stays. */
export function emptyReplica({ storage, replaces }: Replica): Replica {
  return { storage, lsn: -1n, role: 'learner', ...(replaces !== undefined && { replaces }) };
}

function holdsNothing({ lsn, role, repair }: Replica): boolean {
  return lsn < 0n && role !== 'voter' && (repair === undefined || repair.isVoid === true);
}
