import {
  inSyncVoters,
  isInSync,
  type Barrier,
  type Replica,
  type RepositoryRecord,
} from '../routing/repository-record.ts';
import { isUnder, withoutBarrier } from './barrier-changes.ts';
import { emptyReplica } from './lost-volume.ts';
import type { RecordChange } from './record-change.ts';
import { withPrimary } from './record-changes.ts';

/** Why flaws that were found do not count. */
export type LeaveBehindRefusal = 'barrierGone' | 'writesInFlight' | 'written' | 'noneKept';

/** What was seen under a barrier, with no write in flight. */
export interface SeenUnderBarrier {
  readonly barrier: Barrier;
  /** The record's, before anything was looked at. */
  readonly lsn: bigint;
  /** They are equal, and right. */
  readonly kept: readonly string[];
  /** They hold something, and not what they should. */
  readonly different: readonly string[];
  /** They hold nothing that can be used. */
  readonly empty: readonly string[];
}

/**
 * Takes replicas out of the in-sync set that were found to be flawed, and lowers the barrier. All others go on,
 * also those that were not looked at: the LSN grows, as with a write that only the flawed ones have missed. A
 * primary that is flawed is replaced, in a new epoch (I5).
 *
 * It counts only if nothing was written since, and if one that is right is still in sync: never is the last one
 * given up (I6).
 */
export function leaveBehind(
  record: RepositoryRecord,
  { barrier, lsn, kept, different, empty }: SeenUnderBarrier,
): RecordChange<LeaveBehindRefusal> {
  if (!isUnder(record, barrier)) return { kind: 'refuse', reason: 'barrierGone' };
  if (record.intents.length > 0) return { kind: 'refuse', reason: 'writesInFlight' };
  if (record.lsn !== lsn) return { kind: 'refuse', reason: 'written' };
  const flawed = new Set([...different, ...empty]);
  const inSync = inSyncVoters(record).filter((storage) => !flawed.has(storage));
  const successor = inSync.find((storage) => kept.includes(storage));
  if (successor === undefined) return { kind: 'refuse', reason: 'noneKept' };
  const replicas = record.replicas.map((replica): Replica => {
    const { storage } = replica;
    if (!isInSync(record, storage)) return replica;
    if (empty.includes(storage)) return emptyReplica(replica);
    return flawed.has(storage) ? replica : { ...replica, lsn: record.lsn + 1n };
  });
  const next = { ...withoutBarrier(record), lsn: record.lsn + 1n, replicas };
  return {
    kind: 'change',
    next: flawed.has(record.primary) ? withPrimary(next, successor) : next,
  };
}
