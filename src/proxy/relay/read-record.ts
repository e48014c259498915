import { withTimeout } from '../../base/clock.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import type { RelayContext } from './context.ts';

type ReadContext = Pick<RelayContext, 'view' | 'membership' | 'clock'>;

/** A read waits at most this long to hear whether what is known still holds. */
const confirmLimitMs = 500;

/**
 * The record that a read may go by without asking, if any (invariant I4). Others wait for this proxy to take note of
 * a replica that is behind, but only as long as its lease lasts. So one that has stood still has to ask the store;
 * unless it does not hear the store at all, and goes by what it knows (docs/limits.md).
 */
export function knownForRead(
  key: RepositoryKey,
  { view, membership }: ReadContext,
): RepositoryRecord | undefined {
  return membership.holdsLease || !view.connected ? view.peek(key) : undefined;
}

/**
 * What an error counts that a storage has answered a read with:
 *
 * - `stands`: another storage would say the same.
 * - `doubtful`: others are asked, and it stands if none of them is left.
 * - `void`: others are asked, and it never stands.
 */
export type ErrorWeight = 'stands' | 'doubtful' | 'void';

/**
 * What an error of that storage counts. Its replica may have left while the read waited there, or have fallen behind:
 * what it does not find another one may have. Of a repository that is not known any more it may be true: that is
 * removed, or only forgotten.
 *
 * @param record what the read was routed by
 */
export function weightOfError(
  storage: string,
  record: RepositoryRecord,
  { view, membership }: ReadContext,
): ErrorWeight {
  if (!membership.holdsLease && view.connected) return 'void';
  const known = view.peek(record);
  if (known === undefined) return 'doubtful';
  return known.id !== record.id || inSyncVoters(known).includes(storage) ? 'stands' : 'void';
}

/**
 * The record that a read goes by, or undefined if there is no such repository.
 *
 * @throws StoreUnavailableError if it is not known here and the store does not answer
 */
export async function recordForRead(
  key: RepositoryKey,
  context: ReadContext,
): Promise<RepositoryRecord | undefined> {
  const { view, clock } = context;
  const known = view.peek(key);
  if (known === undefined) return view.get(key);
  if (knownForRead(key, context) !== undefined) return known;
  return withTimeout(clock, confirmLimitMs, 'to confirm a record', view.confirm(key)).catch(
    () => known,
  );
}
