import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ObjectPoolService } from '../../../src/gen/gitaly/objectpool_pb.ts';
import { createRepository } from '../git/creation.ts';
import { isRepository, type LocalRepository } from '../git/storages.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import { Code, RpcError, wrapError } from '../grpc/status.ts';
import { voteOnFile } from '../votes/file-votes.ts';
import { Phase, noTransaction, type Transaction, voteOf } from '../votes/transaction.ts';
import { type ServiceContext, invalidArgument } from './context.ts';

const { method } = ObjectPoolService;

/** `@pools/ab/cd/abcd....git`, also behind a cluster's prefix. */
const poolPath = /(^|\/)(@pools|@cluster\/pools)\/.+/;

const panic = 'panic: runtime error: invalid memory address or nil pointer dereference';

/**
 * ObjectPoolService: repositories that share objects through `objects/info/alternates`.
 * A pool is created without votes, whatever the call brings: a proxy must not give it a transaction.
 */
export function objectPoolHandlers(context: ServiceContext): Handler[] {
  const { git, storages } = context;
  return [
    unary(method.createObjectPool, async ({ objectPool, origin }, { signal }) => {
      if (!origin) throw invalidArgument('no origin repository');
      const pool = storages.locate(objectPool?.repository);
      if (!poolPath.test(pool.relativePath)) throw invalidArgument('invalid object pool directory');
      const { path: source } = await storages.find(origin);
      const seed = async (folder: string) => {
        const specs = ['+refs/*:refs/*'];
        await git.output(folder, ['fetch', '--quiet', '--no-tags', source, ...specs], { signal });
        await rm(path.join(folder, 'FETCH_HEAD'), { force: true });
      };
      const head = await git.run(source, ['symbolic-ref', '--short', 'HEAD']);
      const branch = head.stdout.toString().trim();
      const options = { git, storages, repository: pool, signal, branch, seed };
      await createRepository({ ...options, transaction: noTransaction }).catch((error: unknown) => {
        throw wrapError(Code.INTERNAL, 'creating object pool', error);
      });
      return {};
    }),

    unary(method.deleteObjectPool, async ({ objectPool }, { metadata }) => {
      // Gitaly 18.9 dies here of its own making; a proxy that calls it like this has to notice.
      if (metadata.get('gitaly-reference-transaction') !== undefined)
        throw new RpcError(Code.INTERNAL, panic);
      const pool = storages.locate(objectPool?.repository);
      if (!poolPath.test(pool.relativePath)) throw invalidArgument('invalid object pool directory');
      await rm(pool.path, { recursive: true, force: true });
      return {};
    }),

    unary(method.linkRepositoryToObjectPool, async ({ repository, objectPool }, call) => {
      const member = await storages.find(repository);
      const pool = storages.locate(objectPool?.repository);
      if (!(await isRepository(pool.path))) {
        throw new RpcError(Code.FAILED_PRECONDITION, 'object pool does not exist');
      }
      await link(member, pool, context.transactionOf(call));
      return {};
    }),

    unary(method.disconnectGitAlternates, async ({ repository }, call) => {
      const member = await storages.find(repository);
      const transaction = context.transactionOf(call);
      if ((await readAlternate(member)) === undefined) {
        await transaction.vote(Phase.SYNCHRONIZED_PHASE, voteOf('no alternates'), 'server');
        return {};
      }
      await voteAround(transaction, 'migrate objects', async () => {
        await git.output(member.path, ['repack', '-a', '-d', '-q'], { signal: call.signal });
      });
      await voteAround(transaction, 'disconnect alternate', () => rm(alternatesFile(member)));
      return {};
    }),

    unary(method.getObjectPool, async ({ repository }) => {
      const member = await storages.find(repository);
      const alternate = await readAlternate(member);
      if (alternate === undefined) return {};
      const objects = path.resolve(member.path, 'objects', alternate);
      const relativePath = path.relative(storages.root(member.storage), path.dirname(objects));
      return { objectPool: { repository: { storageName: member.storage, relativePath } } };
    }),
  ];
}

async function link(
  member: LocalRepository,
  pool: LocalRepository,
  transaction: Transaction,
): Promise<void> {
  const wanted = path.relative(path.join(member.path, 'objects'), path.join(pool.path, 'objects'));
  const current = await readAlternate(member);
  if (current === wanted) {
    await transaction.vote(Phase.SYNCHRONIZED_PHASE, voteOf('repository linked'), 'server');
    return;
  }
  if (current !== undefined) throw new RpcError(Code.INTERNAL, 'unexpected alternates content');
  const file = alternatesFile(member);
  await voteOnFile(transaction, Buffer.from(wanted), async () => {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(`${file}.new`, wanted);
    await rename(`${file}.new`, file);
  });
}

function alternatesFile(repository: LocalRepository): string {
  return path.join(repository.path, 'objects', 'info', 'alternates');
}

async function readAlternate(repository: LocalRepository): Promise<string | undefined> {
  const content = await readFile(alternatesFile(repository), 'utf8').catch(() => '');
  const [first = ''] = content.split('\n');
  return first === '' ? undefined : first;
}

async function voteAround(
  transaction: Transaction,
  what: string,
  act: () => Promise<void>,
): Promise<void> {
  const hash = voteOf(what);
  await transaction.vote(Phase.PREPARING_PHASE, hash, 'server');
  await transaction.vote(Phase.PREPARED_PHASE, hash, 'server');
  await act();
  await transaction.vote(Phase.COMMITTED_PHASE, hash, 'server');
}
