import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '../../../src/base/logger.ts';
import { internalFolder, isRepository } from './storages.ts';

/** Lock files that a git which was killed leaves in a repository, besides those of references. */
const topLevelLocks = new Set(['HEAD.lock', 'packed-refs.lock', 'config.lock', 'shallow.lock']);

/**
 * Removes the lock files of all repositories below `root`, and what was under way in the storage's temporary folder.
 * Only right before the node starts: then nothing of ours runs, and whoever held these locks is dead.
 */
export async function removeStaleLocks(root: string, logger: Logger): Promise<void> {
  await rm(path.join(root, internalFolder, 'tmp'), { recursive: true, force: true });
  for await (const repository of repositoriesBelow(root)) {
    for (const lock of await locksOf(repository)) {
      logger.warn({ lock }, 'removing a lock that a dead process left');
      await rm(lock, { force: true });
    }
  }
}

/** The folders of all repositories below `root`, in the order of their names. */
export async function* repositoriesBelow(root: string): AsyncGenerator<string> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  for (const name of folders.sort()) {
    if (name === internalFolder) continue;
    const folder = path.join(root, name);
    if (await isRepository(folder)) yield folder;
    else yield* repositoriesBelow(folder);
  }
}

async function locksOf(repository: string): Promise<string[]> {
  const references = await readdir(path.join(repository, 'refs'), {
    recursive: true,
    withFileTypes: true,
  }).catch(() => []);
  const ofReferences = references
    .filter((entry) => entry.isFile() && entry.name.endsWith('.lock'))
    .map((entry) => path.join(entry.parentPath, entry.name));
  const top = await readdir(repository).catch(() => []);
  const ofTop = top.filter((name) => topLevelLocks.has(name));
  return [...ofReferences, ...ofTop.map((name) => path.join(repository, name))];
}
