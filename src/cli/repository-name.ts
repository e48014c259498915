import { CliError } from './cli-error.ts';

/** A repository as clients name it. */
export interface RepositoryName {
  /** Like `default`. */
  readonly virtualStorage: string;
  /** Like `group/project.git`. */
  readonly relativePath: string;
}

/**
 * Reads `default/group/project.git`: the virtual storage, then the path of the repository. A slash at
 * the beginning is ignored, because the path of a URL has one.
 *
 * @throws CliError if one of them is missing, or if the path leaves the storage
 */
export function parseRepositoryName(text: string): RepositoryName {
  const [virtualStorage = '', ...rest] = text.replace(/^\//, '').split('/');
  if (
    virtualStorage === '' ||
    rest.some((part) => ['', '.', '..'].includes(part)) ||
    rest.length === 0
  ) {
    throw new CliError(
      `${JSON.stringify(text)} names no repository: write the virtual storage and the path, like default/group/project.git`,
    );
  }
  return { virtualStorage, relativePath: rest.join('/') };
}
