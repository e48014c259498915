import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const zeroId = '0'.repeat(40);

/** A repository to push from: `main` with one commit, and `next` with one more. */
export interface Sample {
  readonly main: string;
  readonly next: string;
  /** The objects of `next` that `main` lacks. */
  readonly nextPack: Buffer;
  /** A bare repository with `main` only, at `target`. */
  install(target: string): Promise<void>;
}

/** Makes the sample below `folder`. Dates are fixed, so ids are the same each time. */
export async function makeSample(folder: string): Promise<Sample> {
  const work = path.join(folder, 'sample');
  await mkdir(work, { recursive: true });
  const git = (...args: string[]) => runGit(work, ...args);
  await git('init', '--quiet', '--initial-branch=main');
  await git('commit', '--quiet', '--allow-empty', '-m', 'first');
  const main = (await git('rev-parse', 'HEAD')).trim();
  await git('switch', '--quiet', '--create', 'next');
  await git('commit', '--quiet', '--allow-empty', '-m', 'second');
  const next = (await git('rev-parse', 'HEAD')).trim();
  return {
    main,
    next,
    nextPack: await makePack(work, `${next}\n^${main}\n`),
    async install(target) {
      await mkdir(path.dirname(target), { recursive: true });
      // Not a local clone, which takes over all objects.
      const only = ['--no-local', '--single-branch', '--branch=main'];
      await git('clone', '--quiet', '--bare', ...only, work, target);
    },
  };
}

/** What a reference points to; undefined if there is none. */
export async function readReference(
  repository: string,
  reference: string,
): Promise<string | undefined> {
  try {
    return (await runGit(repository, 'rev-parse', '--verify', '--quiet', reference)).trim();
  } catch {
    return undefined;
  }
}

/** A pack of the objects that the revisions, one a line, ask for. */
async function makePack(repository: string, revisions: string): Promise<Buffer> {
  const child = run('git', ['-C', repository, 'pack-objects', '--quiet', '--stdout', '--revs'], {
    encoding: 'buffer',
    maxBuffer: 2 ** 30,
  });
  child.child.stdin?.end(revisions);
  return (await child).stdout;
}

/** Runs git with a fixed author and date; what it writes. */
async function runGit(repository: string, ...args: readonly string[]): Promise<string> {
  const who = { NAME: 'Jane', EMAIL: 'jane@example.com', DATE: '1700000000 +0000' };
  const identity = Object.entries(who).flatMap(([key, value]) => [
    [`GIT_AUTHOR_${key}`, value],
    [`GIT_COMMITTER_${key}`, value],
  ]);
  const env = { ...process.env, ...(Object.fromEntries(identity) as Record<string, string>) };
  return (await run('git', ['-C', repository, ...args], { env })).stdout;
}
