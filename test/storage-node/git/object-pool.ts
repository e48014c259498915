import { link, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Code, RpcError } from '../grpc/status.ts';
import { voteOnFile } from '../votes/file-votes.ts';
import { Phase, type Transaction, voteOf } from '../votes/transaction.ts';
import type { Git } from './git.ts';
import type { LocalRepository } from './storages.ts';

const railsPool = /@pools\/([0-9a-f]{2})\/([0-9a-f]{2})\/([0-9a-f]{64})\.git$/;
const clusterPool = /@cluster\/pools\/[0-9a-f]{2}\/[0-9a-f]{2}\/[0-9]+$/;

/** Whether a path is one of object pools: GitLab's `@pools/ab/cd/abcd....git`, or a cluster's. */
export function isPoolPath(relativePath: string): boolean {
  const [, first, second, name] = railsPool.exec(relativePath) ?? [];
  return name?.startsWith(`${first}${second}`) === true || clusterPool.test(relativePath);
}

/** The folder of objects that a repository borrows from, as its file says; undefined without one. */
export async function readAlternate(repository: LocalRepository): Promise<string | undefined> {
  const content = await readFile(alternatesFile(repository), 'utf8').catch(() => '');
  return content.split('\n').find((line) => line !== '' && !line.startsWith('#'));
}

/** Makes a repository borrow from a pool: the pool's path, relative, is written to a file and voted on. */
export async function linkToPool(
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
  if (current !== undefined) {
    const text = `unexpected alternates content: ${JSON.stringify(current)}`;
    throw new RpcError(Code.INTERNAL, text);
  }
  const file = alternatesFile(member);
  await voteOnFile(transaction, Buffer.from(wanted), async () => {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(`${file}.new`, wanted);
    await rename(`${file}.new`, file);
  });
}

/**
 * Makes a repository stand on its own.
 *
 * 1. Give it everything that the pool has, as hard links.
 * 2. Move the file that names the pool away.
 * 3. If something is missing then, put it back, and fail.
 *
 * Votes before and after each of the first two.
 */
export async function disconnectFromPool(
  git: Git,
  member: LocalRepository,
  transaction: Transaction,
  signal: AbortSignal,
): Promise<void> {
  const alternate = await readAlternate(member);
  if (alternate === undefined) {
    await transaction.vote(Phase.SYNCHRONIZED_PHASE, voteOf('no alternates'), 'server');
    return;
  }
  const own = path.join(member.path, 'objects');
  await voteAround(transaction, 'migrate objects', () =>
    linkObjects(path.resolve(own, alternate), own),
  );
  await voteAround(transaction, 'disconnect alternate', async () => {
    const file = alternatesFile(member);
    await rename(file, `${file}.backup`);
    try {
      await git.output(member.path, ['rev-list', '--objects', '--all', '--quiet'], { signal });
    } catch (error) {
      await rename(`${file}.backup`, file);
      if (signal.aborted) throw error;
      throw new RpcError(
        Code.INTERNAL,
        'git connectivity error while disconnected: exit status 128',
      );
    }
  });
}

/** The parts of a pack in the order in which they may appear: git looks for the index. */
const packOrder = ['.keep', '.pack', '', '.idx'];

async function linkObjects(from: string, to: string): Promise<void> {
  await stat(from).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new RpcError(Code.INTERNAL, `stat ${from}: no such file or directory`);
  });
  const entries = await readdir(from, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(from, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith(`info${path.sep}`));
  const rank = (file: string) => packOrder.indexOf(path.extname(file)) + 1 || packOrder.length - 1;
  for (const file of files.toSorted((a, b) => rank(a) - rank(b))) {
    const target = path.join(to, file);
    await mkdir(path.dirname(target), { recursive: true });
    await link(path.join(from, file), target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

function alternatesFile(repository: LocalRepository): string {
  return path.join(repository.path, 'objects', 'info', 'alternates');
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
