import type { LocalRepository } from '../git/storages.ts';
import type { GitProcess } from '../git/git.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { Code, wrapError } from '../grpc/status.ts';
import { gitHooks } from '../hooks/git-hooks.ts';
import type { Pusher } from '../hooks/gitlab-api.ts';
import { WriteHooks } from '../hooks/write-hooks.ts';
import { finalVote, Phase } from '../votes/transaction.ts';
import type { ServiceContext } from './context.ts';

/** A push, however it came. */
export interface PushRequest {
  readonly repository: LocalRepository;
  readonly pusher: Pusher;
  readonly gitProtocol: string;
  readonly gitConfigOptions: readonly string[];
}

/** Starts `git receive-pack` with all hooks served. */
export function startReceivePack(
  context: ServiceContext,
  request: PushRequest,
  flags: readonly string[],
  call: CallContext,
): GitProcess {
  const { git, gitlab } = context;
  const { repository, pusher, gitProtocol, gitConfigOptions } = request;
  const transaction = context.transactionOf(call);
  const hooks = new WriteHooks({ repository, transaction, gitlab, pusher, caster: 'hook' });
  return git.spawn(repository.path, ['receive-pack', ...flags, repository.path], {
    signal: call.signal,
    hooks: gitHooks(hooks),
    config: gitConfigOptions,
    env: {
      GL_ID: pusher.glId,
      GL_USERNAME: pusher.glUsername,
      GL_REPOSITORY: repository.glRepository,
      GL_PROTOCOL: pusher.protocol,
      ...(gitProtocol === '' ? {} : { GIT_PROTOCOL: gitProtocol }),
    },
  });
}

/**
 * The vote that ends each push whose receive-pack succeeded: the nodes agree that they did the same, even if that was
 * to refuse everything. A transaction that was stopped needs no agreement.
 */
export async function castFinalVote(context: ServiceContext, call: CallContext): Promise<void> {
  try {
    await context.transactionOf(call).vote(Phase.COMMITTED_PHASE, finalVote, 'server');
  } catch (error) {
    if (error instanceof Error && error.message === 'transaction was stopped') return;
    throw wrapError(Code.ABORTED, 'final transactional vote', error);
  }
}
