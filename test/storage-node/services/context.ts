import type { Clock } from '../../../src/base/clock.ts';
import type { Logger } from '../../../src/base/logger.ts';
import type { Git } from '../git/git.ts';
import type { Storages } from '../git/storages.ts';
import { Code, RpcError } from '../grpc/status.ts';
import type { GitLabApi } from '../hooks/gitlab-api.ts';
import type { CallContext } from '../grpc/server-call.ts';
import type { Transaction } from '../votes/transaction.ts';

/** What the services of a node share. */
export interface ServiceContext {
  readonly git: Git;
  readonly storages: Storages;
  readonly gitlab: GitLabApi;
  /** The transaction that the metadata of a call names. */
  transactionOf(call: CallContext): Transaction;
  /** Certificates that other nodes with TLS have to be signed by, in PEM; default: as Node.js. */
  readonly trusted: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** INVALID_ARGUMENT with this text. */
export function invalidArgument(text: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, text);
}
