import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RepositoryService } from '../../../src/gen/gitaly/repository_pb.ts';
import { FetchSource } from '../git/fetch-source.ts';
import { isRepository, type LocalRepository } from '../git/storages.ts';
import { synchronizeReferences } from '../git/synchronize-references.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { Code, RpcError, wrapError } from '../grpc/status.ts';
import { gitHooks } from '../hooks/git-hooks.ts';
import { WriteHooks } from '../hooks/write-hooks.ts';
import type { Transaction } from '../votes/transaction.ts';
import { voteOnFile, voteOnCustomHooks } from '../votes/file-votes.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { createFromSource } from './create-from-source.ts';
import { setDefaultBranch } from './default-branch.ts';
import { sourceNode } from './source-node.ts';

/**
 * RepositoryService/ReplicateRepository: makes a repository equal to one on another node.
 *
 * 1. Create it if it is not there, with everything that the source has.
 * 2. Take over the config.
 * 3. Fetch what is missing, and set, make and delete references.
 *
 * Each step votes if the call has a transaction.
 */
export function replicateRepositoryHandler(context: ServiceContext): Handler {
  const { storages, clock, trusted } = context;
  return unary(RepositoryService.method.replicateRepository, async (request, call) => {
    const repository = storages.locate(request.repository);
    if (!request.source) throw invalidArgument('source repository cannot be empty');
    if (request.source.storageName === repository.storage) {
      throw invalidArgument('repository and source have the same storage');
    }
    const { address, token } = sourceNode(call, request.source.storageName);
    const { signal } = call;
    const open = { address, token, repository: request.source, trusted, clock, signal };
    const source = await FetchSource.open(open).catch((error: unknown) => {
      throw wrapError(Code.UNAVAILABLE, 'checking for repo existence', error);
    });
    try {
      await replicate(context, repository, source, call);
    } finally {
      await source.close();
    }
    return {};
  });
}

async function replicate(
  context: ServiceContext,
  repository: LocalRepository,
  source: FetchSource,
  call: CallContext,
): Promise<void> {
  const exists = await source.exists().catch((error: unknown) => {
    throw wrapError(Code.INTERNAL, 'checking for repo existence', error);
  });
  if (!exists) throw new RpcError(Code.NOT_FOUND, 'invalid source repository');
  if (!(await isRepository(repository.path))) {
    await createFrom(context, repository, source, call).catch((error: unknown) => {
      const doing = 'could not create repository from snapshot: creating repository';
      throw wrapError(Code.INTERNAL, doing, error);
    });
  }
  try {
    await synchronizeConfig(repository, source, context.transactionOf(call));
    await synchronize(context, repository, source, call);
    await voteOnCustomHooks(context.transactionOf(call));
  } catch (error) {
    throw wrapError(Code.INTERNAL, 'replicating repository', error);
  }
}

/** A broken repository in the way is no reason to stay behind. */
async function createFrom(
  context: ServiceContext,
  repository: LocalRepository,
  source: FetchSource,
  call: CallContext,
): Promise<void> {
  await rm(repository.path, { recursive: true, force: true });
  const { head, objectFormat } = await source.references();
  const branch = head?.replace(/^refs\/heads\//, '') ?? 'main';
  await createFromSource(context, call, source, { repository, branch, objectFormat });
}

async function synchronizeConfig(
  { path: folder }: LocalRepository,
  source: FetchSource,
  transaction: Transaction,
): Promise<void> {
  const content = await source.config();
  const config = path.join(folder, 'config');
  const current = await readFile(config);
  await voteOnFile(transaction, content, async () => {
    if (current.equals(content)) return;
    const temporary = `${config}.new`;
    await writeFile(temporary, content);
    await rename(temporary, config);
  });
}

async function synchronize(
  context: ServiceContext,
  repository: LocalRepository,
  source: FetchSource,
  call: CallContext,
): Promise<void> {
  const { git, gitlab } = context;
  const transaction = context.transactionOf(call);
  const hooks = new WriteHooks({ repository, transaction, gitlab, caster: 'hook' });
  await synchronizeReferences({
    git,
    repository: repository.path,
    source,
    signal: call.signal,
    hooks: gitHooks(hooks),
  });
  const { head } = await source.references();
  const current = await git.run(repository.path, ['symbolic-ref', '--quiet', 'HEAD']);
  if (head !== undefined && current.stdout.toString().trim() !== head) {
    await setDefaultBranch(context, repository, head, call);
  }
}
