import { rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { RepositoryService } from '../../../src/gen/gitaly/repository_pb.ts';
import { temporaryFolder } from '../git/creation.ts';
import type { LocalRepository } from '../git/storages.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import { Code, RpcError, wrapError } from '../grpc/status.ts';
import { Phase, type Transaction, voteOf } from '../votes/transaction.ts';
import type { ServiceContext } from './context.ts';

/** RepositoryService/RemoveRepository. */
export function removeRepositoryHandler(context: ServiceContext): Handler {
  const { storages } = context;
  return unary(RepositoryService.method.removeRepository, async (request, call) => {
    const repository = await storages.find(request.repository);
    await remove(context, repository, context.transactionOf(call));
    return {};
  });
}

/** Moves the repository away between the second and the third vote, then deletes it. */
async function remove(
  { storages }: ServiceContext,
  repository: LocalRepository,
  transaction: Transaction,
): Promise<void> {
  const vote = (phase: Phase, step: string) =>
    transaction.vote(phase, voteOf(`${step} ${repository.relativePath}`), 'server');
  try {
    await vote(Phase.PREPARING_PHASE, 'acquiring distributed lock');
    await vote(Phase.PREPARED_PHASE, 'pre-remove');
  } catch (error) {
    throw wrapError(Code.INTERNAL, 'vote on rename', error);
  }
  if (!(await stat(repository.path).catch(() => undefined))) {
    throw new RpcError(Code.NOT_FOUND, 'repository was concurrently removed');
  }
  const temporary = await temporaryFolder(storages, repository.storage);
  await rename(repository.path, path.join(temporary, 'removed.git'));
  try {
    await vote(Phase.COMMITTED_PHASE, 'post-remove');
  } catch (error) {
    throw wrapError(Code.INTERNAL, 'vote on finalizing', error);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
