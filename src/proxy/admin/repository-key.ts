import type { Repository } from '../../gen/gitaly/shared_pb.ts';
import { checkNames } from '../relay/target.ts';
import type { RepositoryKey } from '../store/control-store.ts';

/**
 * The repository that a request names.
 *
 * @throws LocalCallError INVALID_ARGUMENT with the text that Gitaly's clients know
 */
export function keyOf(repository: Repository | undefined): RepositoryKey {
  const { storageName = '', relativePath = '' } = repository ?? {};
  checkNames(storageName, relativePath);
  return { virtualStorage: storageName, relativePath };
}
