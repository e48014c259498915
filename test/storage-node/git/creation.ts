import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Code, RpcError, wrapError } from '../grpc/status.ts';
import { Phase, type Transaction, voteOf } from '../votes/transaction.ts';
import type { Git } from './git.ts';
import { internalFolder, type LocalRepository, type Storages } from './storages.ts';

export interface CreationOptions {
  readonly git: Git;
  readonly storages: Storages;
  readonly repository: LocalRepository;
  readonly transaction: Transaction;
  readonly signal: AbortSignal;
  /** Default branch, without `refs/heads/`. */
  readonly branch?: string;
  readonly objectFormat?: 'sha1' | 'sha256';
  /** Fills the new repository, which is at `folder` for now. */
  seed?(folder: string): Promise<void>;
  /** Whether `seed` makes the repository itself, where nothing is yet. Default: it gets an empty one. */
  readonly seedMakesIt?: boolean;
}

/**
 * Creates a repository where there is none, or nothing.
 *
 * 1. Make it in a temporary folder of the same storage.
 * 2. Vote on what it holds, twice.
 * 3. Move it into place.
 * 4. Vote again. A refusal here no longer undoes it.
 */
export async function createRepository(options: CreationOptions): Promise<void> {
  const { git, repository, storages, transaction } = options;
  await refuseExisting(repository);
  const temporary = await temporaryFolder(storages, repository.storage);
  try {
    const folder = path.join(temporary, 'repository.git');
    if (options.seedMakesIt !== true) await initialise(options, folder);
    await options.seed?.(folder);
    const vote = voteOf(await logicalState(git, folder));
    try {
      await transaction.vote(Phase.PREPARING_PHASE, vote, 'server');
      await transaction.vote(Phase.PREPARED_PHASE, vote, 'server');
    } catch (error) {
      throw wrapError(Code.FAILED_PRECONDITION, 'preparatory vote', error);
    }
    options.signal.throwIfAborted();
    await mkdir(path.dirname(repository.path), { recursive: true });
    await refuseExisting(repository);
    await rename(folder, repository.path);
    try {
      await transaction.vote(Phase.COMMITTED_PHASE, vote, 'server');
    } catch (error) {
      throw wrapError(Code.FAILED_PRECONDITION, 'committing vote', error);
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** A new empty folder in the storage, for what is to be moved from there or thrown away. */
export async function temporaryFolder(storages: Storages, storage: string): Promise<string> {
  const parent = path.join(storages.root(storage), internalFolder, 'tmp');
  await mkdir(parent, { recursive: true });
  return mkdtemp(path.join(parent, 'repository-'));
}

/** What the creation of a repository is voted on: its config and its references, in Gitaly's form. */
async function logicalState(git: Git, repository: string): Promise<Buffer> {
  const config = await git.output(repository, ['config', '--list', '-f', 'config']);
  const format = '--format=%(refname) %(objectname) %(symref)';
  const references = await git.output(repository, ['for-each-ref', format]);
  return Buffer.concat([config, await headLine(git, repository), references]);
}

/** for-each-ref lists HEAD only in newer versions of git (`--include-root-refs`), and only if it points to something. */
async function headLine(git: Git, repository: string): Promise<Buffer> {
  const resolved = await git.run(repository, ['rev-parse', '--verify', '-q', 'HEAD']);
  if (resolved.exitCode !== 0) return Buffer.alloc(0);
  const target = await git.run(repository, ['symbolic-ref', '-q', 'HEAD']);
  const id = resolved.stdout.toString().trim();
  return Buffer.from(`HEAD ${id} ${target.stdout.toString().trim()}\n`);
}

async function initialise(options: CreationOptions, folder: string): Promise<void> {
  const { git, branch = '', objectFormat = 'sha1', signal } = options;
  await mkdir(folder);
  const initialBranch = branch === '' ? 'main' : branch;
  const flags = [`--initial-branch=${initialBranch}`, `--object-format=${objectFormat}`];
  await git.output(folder, ['init', '--quiet', '--bare', '--template=', ...flags], { signal });
}

async function refuseExisting(repository: LocalRepository): Promise<void> {
  const found = await stat(repository.path).catch(() => undefined);
  if (found) throw new RpcError(Code.ALREADY_EXISTS, 'repository exists already');
}
