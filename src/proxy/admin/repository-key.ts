import type { Repository } from '../../gen/gitaly/shared_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import { LocalCallError } from '../relay/local-method.ts';
import type { RepositoryKey } from '../store/control-store.ts';

/**
 * The repository that a request names.
 *
 * @throws LocalCallError INVALID_ARGUMENT with the text that Gitaly's clients know
 */
export function keyOf(repository: Repository | undefined): RepositoryKey {
  const { storageName = '', relativePath = '' } = repository ?? {};
  const missing = (text: string) => new LocalCallError(statusCodes.INVALID_ARGUMENT, text);
  if (storageName === '' && relativePath === '') throw missing('repository not set');
  if (storageName === '') throw missing('storage name not set');
  if (relativePath === '') throw missing('repository path not set');
  return { virtualStorage: storageName, relativePath };
}
