import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Code, RpcError } from '../grpc/status.ts';
import { internalFolder, type LocalRepository, type Storages } from './storages.ts';

/** A folder for objects that do not belong to the repository yet. A crash leaves it behind, harmless. */
export class ObjectQuarantine {
  readonly objects: string;
  readonly alternates: readonly string[];
  readonly #target: string;

  private constructor(objects: string, target: string) {
    this.objects = objects;
    this.#target = target;
    this.alternates = [target];
  }

  /** Outside of the repository, where Gitaly has those of the objects that it writes itself. */
  static async create(storages: Storages, repository: LocalRepository): Promise<ObjectQuarantine> {
    const prefix = quarantinePrefix(storages, repository);
    await mkdir(path.dirname(prefix), { recursive: true });
    return new ObjectQuarantine(await mkdtemp(prefix), path.join(repository.path, 'objects'));
  }

  /** What git needs in its environment to write here and to read both. */
  get environment(): Record<string, string> {
    return {
      GIT_OBJECT_DIRECTORY: this.objects,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: this.#target,
    };
  }

  /** Moves all loose objects into the repository. */
  async migrate(): Promise<void> {
    for (const prefix of await readdir(this.objects)) {
      if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
      await mkdir(path.join(this.#target, prefix), { recursive: true });
      for (const name of await readdir(path.join(this.objects, prefix))) {
        await rename(path.join(this.objects, prefix, name), path.join(this.#target, prefix, name));
      }
    }
  }

  /** Removes what was not moved. */
  async remove(): Promise<void> {
    await rm(this.objects, { recursive: true, force: true });
  }
}

/**
 * The object directory that a request names: in the repository, where git makes those of pushes, or in a folder that
 * {@link ObjectQuarantine} has made for it.
 *
 * @throws RpcError as Gitaly does: NOT_FOUND if it is not there, INVALID_ARGUMENT if it cannot be one
 */
export async function findObjectDirectory(
  storages: Storages,
  repository: LocalRepository,
  directory: string,
): Promise<string> {
  if (directory === '') throw invalid('object directory path is not set');
  const found = path.join(repository.path, directory);
  const isInside = `${found}${path.sep}`.startsWith(repository.path + path.sep);
  if (!isInside && !found.startsWith(quarantinePrefix(storages, repository))) {
    throw invalid('not a valid relative path: relative path escapes root directory');
  }
  const isThere = await stat(found).then(
    () => true,
    () => false,
  );
  if (isThere) return found;
  throw new RpcError(Code.NOT_FOUND, `object directory does not exist: ${JSON.stringify(found)}`);
}

/** Gitaly knows by it which repository a folder belongs to. */
function quarantinePrefix(storages: Storages, { storage, relativePath }: LocalRepository): string {
  const hash = createHash('sha1').update(relativePath).digest('hex').slice(0, 16);
  return path.join(storages.root(storage), internalFolder, 'tmp', `quarantine-${hash}-`);
}

function invalid(text: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, text);
}
