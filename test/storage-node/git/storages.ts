import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Repository } from '../../../src/gen/gitaly/shared_pb.ts';
import { Code, RpcError } from '../grpc/status.ts';

/** Gitaly's own files in a storage. Not a place for repositories. */
export const internalFolder = '+gitaly';

/** A repository of this node. */
export interface LocalRepository {
  /** Where it is on disk. */
  readonly path: string;
  readonly storage: string;
  /** As the caller gave it. */
  readonly relativePath: string;
  readonly glRepository: string;
  readonly glProjectPath: string;
  /** What git needs in its environment to see the quarantine that the caller names, if any. */
  readonly quarantine: Readonly<Record<string, string>>;
}

/** The storages of this node, by name. */
export class Storages {
  readonly #roots: ReadonlyMap<string, string>;

  constructor(roots: ReadonlyMap<string, string>) {
    this.#roots = roots;
  }

  entries(): readonly (readonly [string, string])[] {
    return [...this.#roots];
  }

  /** @throws RpcError if no storage has this name */
  root(storage: string): string {
    const root = this.#roots.get(storage);
    if (root === undefined) throw invalid('storage name not found');
    return root;
  }

  /**
   * Where the repository is or would be.
   *
   * @throws RpcError INVALID_ARGUMENT if the request names no place in a storage of ours
   */
  locate(repository: Repository | undefined): LocalRepository {
    if (!repository) throw invalid('repository not set');
    if (repository.storageName === '') throw invalid('storage name not set');
    const root = this.root(repository.storageName);
    if (repository.relativePath === '') throw invalid('repository path not set');
    const found = path.join(root, repository.relativePath);
    if (!found.startsWith(root + path.sep)) throw invalid('relative path escapes root directory');
    return {
      path: found,
      storage: repository.storageName,
      relativePath: repository.relativePath,
      glRepository: repository.glRepository,
      glProjectPath: repository.glProjectPath,
      quarantine: quarantineEnvironment(found, repository),
    };
  }

  /**
   * The repository, which has to exist.
   *
   * @throws RpcError NOT_FOUND if it does not, and as {@link locate}
   */
  async find(repository: Repository | undefined): Promise<LocalRepository> {
    const found = this.locate(repository);
    if (!(await isRepository(found.path))) {
      throw new RpcError(Code.NOT_FOUND, 'repository not found');
    }
    return found;
  }
}

/** As Gitaly sets it for every git: folders that are not there are no exception. */
function quarantineEnvironment(
  folder: string,
  { gitObjectDirectory: objects, gitAlternateObjectDirectories: alternates }: Repository,
): Record<string, string> {
  const resolved = alternates.map((alternate) => path.join(folder, alternate));
  return {
    ...(objects !== '' && { GIT_OBJECT_DIRECTORY: path.join(folder, objects) }),
    ...(resolved.length > 0 && { GIT_ALTERNATE_OBJECT_DIRECTORIES: resolved.join(':') }),
  };
}

/** Whether a folder looks like a repository: what Gitaly looks for, too. */
export async function isRepository(folder: string): Promise<boolean> {
  const parts = ['HEAD', 'objects', 'refs'].map((part) => access(path.join(folder, part)));
  const results = await Promise.allSettled(parts);
  return results.every((result) => result.status === 'fulfilled');
}

function invalid(text: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, text);
}
