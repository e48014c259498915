import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Kubernetes keeps its own links and folders in a mounted Secret; their names begin like this. */
const internalPrefix = '..';

/** All files of a mounted Secret, by name, without surrounding white space. */
export async function readSecretDir(directory: string): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir(directory)).filter((name) => !name.startsWith(internalPrefix));
  const entries = await Promise.all(
    names.map(
      async (name) => [name, (await readFile(join(directory, name), 'utf8')).trim()] as const,
    ),
  );
  return new Map(entries);
}

/**
 * The tokens of a mounted Secret: all files that are not empty.
 *
 * @throws Error that says what to do if there is none
 */
export async function readTokens(directory: string): Promise<readonly string[]> {
  const tokens = [...(await readSecretDir(directory)).values()].filter((token) => token !== '');
  if (tokens.length === 0)
    throw new Error(`${directory} holds no token: write one into a file there`);
  return tokens;
}
