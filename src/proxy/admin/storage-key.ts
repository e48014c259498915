import { statusCodes } from '../../rpc/status.ts';
import { LocalCallError } from '../relay/local-method.ts';
import type { StorageKey } from '../store/storage-identity.ts';
import type { StorageDirectory } from '../upstream/storage-directory.ts';

/**
 * The storage that a request names.
 *
 * @throws LocalCallError INVALID_ARGUMENT if there is none of that name
 */
export function storageKeyOf(
  { virtualStorage, storage }: StorageKey,
  storages: StorageDirectory,
): StorageKey {
  if (storages.get(virtualStorage)?.nodes().has(storage)) return { virtualStorage, storage };
  const message = `there is no storage ${storage} in a virtual storage ${virtualStorage}`;
  throw new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
}
