import type { Barrier, RepositoryRecord } from '../routing/repository-record.ts';
import type { RecordChange } from './record-change.ts';

/** Whether repair holds writes back right now. */
export function hasBarrier(record: RepositoryRecord, nowMs: number): boolean {
  return record.barrier !== undefined && record.barrier.expiresAtMs > nowMs;
}

/**
 * Holds new writes back, so that what is in flight can run out and contents can be compared. One
 * that stands keeps everybody else out, the same proxy's other work too.
 */
export function raiseBarrier(
  record: RepositoryRecord,
  barrier: Barrier,
  nowMs: number,
): RecordChange<'barrier'> {
  if (hasBarrier(record, nowMs)) return { kind: 'refuse', reason: 'barrier' };
  return { kind: 'change', next: { ...record, barrier } };
}

/**
 * Says that a write changes nothing any more, and holds new ones back until what it has left behind is
 * compared, unless somebody does that already. Those that end without a vote would else find their
 * contents in motion, and wait for each other.
 */
export function beginComparison(
  record: RepositoryRecord,
  transaction: string,
  barrier: Omit<Barrier, 'forComparison'>,
  nowMs: number,
): RecordChange<'gone' | 'already'> {
  const own = record.intents.find((intent) => intent.transaction === transaction);
  if (own === undefined) return { kind: 'refuse', reason: 'gone' };
  const isHeldBack = hasBarrier(record, nowMs);
  if (isHeldBack && own.hasEnded === true) return { kind: 'refuse', reason: 'already' };
  const intents = record.intents.map((intent) =>
    intent === own ? { ...own, hasEnded: true as const } : intent,
  );
  const raised = isHeldBack ? {} : { barrier: { ...barrier, forComparison: true as const } };
  return { kind: 'change', next: { ...record, intents, ...raised } };
}

/** Whether no other write than this one can change anything now, as far as the record tells. */
export function isQuietBut(record: RepositoryRecord, transaction: string): boolean {
  return record.intents.every(
    (intent) => intent.transaction === transaction || intent.hasEnded === true,
  );
}

/**
 * Whether contents that were compared when the record was `before`, and quiet, are still the same: no
 * write was recorded since, or only such as had ended then too, for the same barrier stands.
 */
export function isSteady(
  before: RepositoryRecord,
  now: RepositoryRecord,
  transaction: string,
): boolean {
  if (!isQuietBut(now, transaction)) return false;
  return before.lsn === now.lsn || (before.barrier !== undefined && isUnder(now, before.barrier));
}

/** Lets writes in again. */
export function lowerBarrier(record: RepositoryRecord, barrier: Barrier): RecordChange<'gone'> {
  if (!isUnder(record, barrier)) return { kind: 'refuse', reason: 'gone' };
  return { kind: 'change', next: withoutBarrier(record) };
}

/** Whether it is this very barrier that stands: no write has begun since it was raised. */
export function isUnder(record: RepositoryRecord, barrier: Barrier): boolean {
  return (
    record.barrier?.owner === barrier.owner && record.barrier.expiresAtMs === barrier.expiresAtMs
  );
}

export function withoutBarrier(record: RepositoryRecord): RepositoryRecord {
  const { barrier: _, ...rest } = record;
  return rest;
}
