import { stat } from 'node:fs/promises';
import {
  ObjectPoolService,
  type FetchIntoObjectPoolRequest,
} from '../../../src/gen/gitaly/objectpool_pb.ts';
import { isPoolPath } from '../git/object-pool.ts';
import { RefUpdater, type RefUpdate } from '../git/ref-updater.ts';
import { readAll } from '../git/git.ts';
import { isRepository, type LocalRepository } from '../git/storages.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { Code, wrapError } from '../grpc/status.ts';
import { gitHooks } from '../hooks/git-hooks.ts';
import { WriteHooks } from '../hooks/write-hooks.ts';
import { Phase, voteOf } from '../votes/transaction.ts';
import { type ServiceContext, invalidArgument } from './context.ts';

/** Where the references of a pool's members go. */
const namespace = 'refs/remotes/origin/';
const zeroId = '0'.repeat(40);

/**
 * ObjectPoolService/FetchIntoObjectPool: takes what a member has into its pool.
 *
 * 1. Delete the references that the member has no more: they could be in the way. Voted on, even if there are none.
 * 2. Fetch all of the member's references in one transaction. Voted on by git's hook.
 * 3. Keep what nothing refers to any more: some member may borrow it. Not voted on.
 */
export function fetchIntoObjectPoolHandler(context: ServiceContext): Handler {
  return unary(ObjectPoolService.method.fetchIntoObjectPool, async (request, call) => {
    const pool = await requirePool(context, request);
    const origin = await context.storages.find(request.origin);
    try {
      await prune(context, pool, origin, call);
      await fetchAll(context, pool, origin, call);
      await rescueDangling(context, pool, call.signal);
    } catch (error) {
      throw wrapError(Code.INTERNAL, 'fetch into object pool', error);
    }
    return {};
  });
}

async function requirePool(
  { storages }: ServiceContext,
  { origin, objectPool }: FetchIntoObjectPoolRequest,
): Promise<LocalRepository> {
  if (!origin) throw invalidArgument('origin is empty');
  if (!objectPool) throw invalidArgument('object pool is empty');
  if (origin.storageName !== objectPool.repository?.storageName) {
    throw invalidArgument('origin has different storage than object pool');
  }
  const pool = storages.locate(objectPool.repository);
  const invalid = (text: string) => invalidArgument(`object pool invalid: ${text}`);
  if (!isPoolPath(pool.relativePath)) throw invalid('invalid object pool directory');
  if (!(await stat(pool.path).catch(() => undefined)) || !(await isRepository(pool.path))) {
    throw invalid('object pool is not a valid git repository');
  }
  return pool;
}

async function prune(
  context: ServiceContext,
  pool: LocalRepository,
  origin: LocalRepository,
  call: CallContext,
): Promise<void> {
  const { signal } = call;
  const kept = new Set(await referencesOf(context, origin, 'refs/'));
  const known = await referencesOf(context, pool, namespace);
  const gone = known.filter((name) => !kept.has(`refs/${name.slice(namespace.length)}`));
  const deletions = gone.map((reference): RefUpdate => ({
    reference,
    newId: zeroId,
    oldId: undefined,
  }));
  const hash = voteOf(gone.map((name) => `${zeroId} ${zeroId} ${name}\n`).join(''));
  const transaction = context.transactionOf(call);
  const updater = await RefUpdater.start(context.git, pool.path, { signal });
  try {
    for (const deletion of deletions) updater.queue(deletion);
    await transaction.vote(Phase.PREPARING_PHASE, hash, 'server');
    await updater.prepare();
    await transaction.vote(Phase.PREPARED_PHASE, hash, 'server');
    await updater.commit();
    await transaction.vote(Phase.COMMITTED_PHASE, hash, 'server');
  } finally {
    await updater.close();
  }
}

async function referencesOf(
  { git }: ServiceContext,
  repository: LocalRepository,
  prefix: string,
): Promise<string[]> {
  const list = ['for-each-ref', '--format=%(refname)', prefix];
  const output = await git.output(repository.path, list);
  return output.toString('latin1').split('\n').filter(Boolean);
}

async function fetchAll(
  { git, gitlab, ...context }: ServiceContext,
  pool: LocalRepository,
  origin: LocalRepository,
  call: CallContext,
): Promise<void> {
  const transaction = context.transactionOf(call);
  const hooks = new WriteHooks({ repository: pool, transaction, gitlab, caster: 'hook' });
  const flags = ['--quiet', '--atomic', '--no-tags', '--no-write-fetch-head'];
  const fetch = git.spawn(
    pool.path,
    ['fetch', ...flags, '--no-show-forced-updates', origin.path, `+refs/*:${namespace}*`],
    { signal: call.signal, hooks: gitHooks(hooks) },
  );
  fetch.stdin.end();
  fetch.stdout.resume();
  const stderr = readAll(fetch.stderr);
  const exitCode = await fetch.exited;
  if (exitCode !== 0) {
    throw new Error(
      `exit status ${exitCode}, stderr: ${JSON.stringify((await stderr).toString())}`,
    );
  }
}

async function rescueDangling(
  { git }: ServiceContext,
  pool: LocalRepository,
  signal: AbortSignal,
): Promise<void> {
  const found = await git.output(pool.path, ['fsck', '--connectivity-only', '--dangling'], {
    signal,
  });
  const dangling = found.toString().matchAll(/^dangling \S+ ([0-9a-f]+)$/gm);
  const input = [...dangling].map(([, id]) => `create refs/dangling/${id} ${id}\n`).join('');
  await git.output(pool.path, ['update-ref', '--stdin'], { input, signal });
}
