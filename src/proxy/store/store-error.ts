import { DatabaseError } from 'pg';
import { StoreUnavailableError } from './control-store.ts';

/**
 * Classes of SQLSTATE (PostgreSQL, appendix A) that blame the statement or its data: asking again
 * cannot help. Everything else comes from the server's state or from the way to it.
 */
const ownFaults = new Set(['21', '22', '23', '42', '54', 'P0']);

/** The error that a call of the store rejects with. */
export function asStoreError(thrown: unknown): Error {
  const error = singleError(thrown);
  if (error instanceof StoreUnavailableError) return error;
  const isOwnFault = error instanceof DatabaseError && ownFaults.has(error.code?.slice(0, 2) ?? '');
  return isOwnFault ? error : new StoreUnavailableError(error);
}

/** An error with a message: Node.js gives none to that of a name whose addresses all fail. */
export function singleError(thrown: unknown): Error {
  const first: unknown = thrown instanceof AggregateError ? thrown.errors[0] : undefined;
  const error = first ?? thrown;
  return error instanceof Error ? error : new Error(String(error));
}
