import { rm } from 'node:fs/promises';
import path from 'node:path';
import { ObjectPoolService } from '../../../src/gen/gitaly/objectpool_pb.ts';
import type { ObjectPool } from '../../../src/gen/gitaly/shared_pb.ts';
import { createRepository } from '../git/creation.ts';
import { disconnectFromPool, isPoolPath, linkToPool, readAlternate } from '../git/object-pool.ts';
import { isRepository, type LocalRepository } from '../git/storages.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import { Code, RpcError, wrapError } from '../grpc/status.ts';
import { Phase, type Transaction, voteOf } from '../votes/transaction.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { fetchIntoObjectPoolHandler } from './fetch-into-object-pool.ts';

const { method } = ObjectPoolService;

const panic = 'panic: runtime error: invalid memory address or nil pointer dereference';

/** ObjectPoolService: repositories that share objects through `objects/info/alternates`. */
export function objectPoolHandlers(context: ServiceContext): Handler[] {
  const { git, storages } = context;
  return [
    unary(method.createObjectPool, async ({ objectPool, origin }, call) => {
      if (!origin) throw invalidArgument('no origin repository');
      const repository = locatePool(context, objectPool);
      const source = await storages.find(origin);
      const transaction = context.transactionOf(call);
      const { signal } = call;
      await createRepository({
        git,
        storages,
        repository,
        transaction,
        signal,
        seedMakesIt: true,
        seed: (folder) => cloneInto(context, source, folder, transaction, signal),
      }).catch((error: unknown) => {
        throw wrapError(Code.INTERNAL, 'creating object pool', error);
      });
      return {};
    }),

    unary(method.deleteObjectPool, async ({ objectPool }, { metadata }) => {
      // Gitaly 18.9 dies here of its own making; a proxy that calls it like this has to notice.
      if (metadata.get('gitaly-reference-transaction') !== undefined)
        throw new RpcError(Code.INTERNAL, panic);
      await rm(locatePool(context, objectPool).path, { recursive: true, force: true });
      return {};
    }),

    unary(method.linkRepositoryToObjectPool, async ({ repository, objectPool }, call) => {
      const member = await storages.find(repository);
      const pool = locatePool(context, objectPool);
      if (!(await isRepository(pool.path))) {
        const text = 'object pool is not a valid git repository';
        throw new RpcError(Code.FAILED_PRECONDITION, text);
      }
      await linkToPool(member, pool, context.transactionOf(call));
      return {};
    }),

    unary(method.disconnectGitAlternates, async ({ repository }, call) => {
      const member = await storages.find(repository);
      await disconnectFromPool(git, member, context.transactionOf(call), call.signal);
      return {};
    }),

    fetchIntoObjectPoolHandler(context),

    unary(method.getObjectPool, async ({ repository }) => {
      const member = await storages.find(repository);
      const alternate = await readAlternate(member);
      if (alternate === undefined) return {};
      const pool = path.dirname(path.resolve(member.path, 'objects', alternate));
      const relativePath = path.relative(storages.root(member.storage), pool);
      // Gitaly only logs that a repository borrows from something that is no pool.
      if (!isPoolPath(relativePath) || !(await isRepository(pool))) return {};
      return { objectPool: { repository: { storageName: member.storage, relativePath } } };
    }),
  ];
}

/** @throws RpcError INVALID_ARGUMENT if the request names no pool, or one at a place for other things */
function locatePool({ storages }: ServiceContext, pool: ObjectPool | undefined): LocalRepository {
  if (!pool?.repository) throw invalidArgument('no object pool repository');
  const located = storages.locate(pool.repository);
  if (!isPoolPath(located.relativePath)) throw invalidArgument('invalid object pool directory');
  return located;
}

/**
 * Clones a repository of the same storage. Git says which references it makes in two transactions and
 * a half, to all of which Gitaly listens; newer versions of git do, so the votes are cast here.
 */
async function cloneInto(
  { git }: ServiceContext,
  source: LocalRepository,
  folder: string,
  transaction: Transaction,
  signal: AbortSignal,
): Promise<void> {
  const clone = ['clone', '--quiet', '--bare', '--local', source.path, folder];
  await git.output(source.path, clone, { signal, env: { GIT_DIR: folder } });
  await git.output(folder, ['config', '--remove-section', 'remote.origin'], { signal });
  const zero = '0'.repeat(40);
  const format = `--format=${zero} %(objectname) %(refname)`;
  const references = voteOf(await git.output(folder, ['for-each-ref', format], { signal }));
  const target = await git.output(folder, ['symbolic-ref', 'HEAD'], { signal });
  const head = voteOf(`${zero} ref:${target.toString().trim()} HEAD\n`);
  await transaction.vote(Phase.PREPARED_PHASE, references, 'hook');
  await transaction.vote(Phase.PREPARED_PHASE, references, 'hook');
  await transaction.vote(Phase.PREPARED_PHASE, head, 'hook');
  await transaction.vote(Phase.COMMITTED_PHASE, head, 'hook');
}
