import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Kubernetes keeps its own links and folders in a mounted Secret; their names begin like this. */
const internalPrefix = '..';

/** All files of a mounted Secret, by name, without surrounding white space. */
export async function readSecretDir(directory: string): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir(directory)).filter((name) => !name.startsWith(internalPrefix));
  const entries = await Promise.all(
    names.map(async (name) => [name, await readSecretFile(join(directory, name))] as const),
  );
  return new Map(entries);
}

/** A file with one secret, without surrounding white space. */
export async function readSecretFile(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim();
}
