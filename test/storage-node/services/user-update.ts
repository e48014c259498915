import type { User } from '../../../src/gen/gitaly/shared_pb.ts';
import { RefUpdater } from '../git/ref-updater.ts';
import type { LocalRepository } from '../git/storages.ts';
import { UpdateRefError } from '../git/update-ref-errors.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { RpcError } from '../grpc/status.ts';
import type { Quarantine } from '../hooks/hook-channel.ts';
import { NotAllowedError, WriteHooks } from '../hooks/write-hooks.ts';
import type { ServiceContext } from './context.ts';

/** One reference that a person changes through GitLab. All zeros as old or new id: none. */
export interface UserUpdate {
  readonly repository: LocalRepository;
  readonly user: User | undefined;
  readonly reference: string;
  readonly oldId: string;
  readonly newId: string;
  /** Where the new objects are, and how they come into the repository once the write is allowed. */
  readonly quarantine?: { readonly folders: Quarantine; migrate(): Promise<void> };
}

/** Why such a change failed, with Gitaly's text in each case. */
export type UserUpdateFailure =
  | { readonly kind: 'not allowed'; readonly message: string; readonly error: NotAllowedError }
  | { readonly kind: 'update refused'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string; readonly status: RpcError | undefined };

/**
 * Changes a reference as a push would, without one.
 *
 * 1. pre-receive: GitLab is asked, a vote.
 * 2. New objects leave their quarantine.
 * 3. update: a vote.
 * 4. Vote, lock the reference, vote, change it, vote.
 * 5. post-receive: GitLab is told, a vote.
 *
 * @returns undefined if all went well
 */
export async function updateAsUser(
  context: ServiceContext,
  update: UserUpdate,
  call: CallContext,
): Promise<UserUpdateFailure | undefined> {
  const { git, gitlab } = context;
  const { repository, reference, oldId, newId, quarantine } = update;
  const hooks = new WriteHooks({
    repository,
    transaction: context.transactionOf(call),
    gitlab,
    pusher: {
      glId: update.user?.glId ?? '',
      glUsername: update.user?.glUsername ?? '',
      protocol: 'web',
    },
    caster: 'server',
  });
  const changes = Buffer.from(`${oldId} ${newId} ${reference}\n`);
  let step = 'running pre-receive hooks';
  let updater: RefUpdater | undefined;
  try {
    await hooks.preReceive(changes, { quarantine: quarantine?.folders });
    step = 'migrating quarantined objects';
    await quarantine?.migrate();
    step = 'running update hooks';
    await hooks.update();
    step = 'start reference transaction';
    updater = await RefUpdater.start(git, repository.path, { signal: call.signal });
    updater.queue({ reference, newId, oldId });
    step = 'executing pre-locked reference-transaction hook';
    await hooks.referenceTransaction('preparing', changes);
    await updater.prepare();
    step = 'executing preparatory reference-transaction hook';
    await hooks.referenceTransaction('prepared', changes);
    await updater.commit();
    step = 'executing committing reference-transaction hook';
    await hooks.referenceTransaction('committed', changes);
    step = 'running post-receive hooks';
    await hooks.postReceive(changes);
    return undefined;
  } catch (error) {
    return failureOf(step, error);
  } finally {
    await updater?.close();
  }
}

function failureOf(step: string, error: unknown): UserUpdateFailure {
  if (error instanceof UpdateRefError) {
    return { kind: 'update refused', message: `reference update: ${error.message}` };
  }
  const message = `${step}: ${error instanceof Error ? error.message : String(error)}`;
  if (error instanceof NotAllowedError) return { kind: 'not allowed', message, error };
  return { kind: 'failed', message, status: statusBehind(error) };
}

/** The status of a vote that failed, below the texts that were put around it. */
function statusBehind(error: unknown): RpcError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof RpcError) return cause;
  }
  return undefined;
}
