import type { Git } from './git.ts';

/** The object id that a revision names; undefined if there is no such object. */
export async function resolveRevision(
  git: Git,
  repository: string,
  revision: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const args = ['rev-parse', '--quiet', '--verify', '--end-of-options', revision];
  const { exitCode, stdout } = await git.run(repository, args, { env });
  return exitCode === 0 ? stdout.toString().trim() : undefined;
}
