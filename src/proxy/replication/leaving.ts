import type { Logger } from '../../base/logger.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { dropReplica } from '../transactions/replica-count.ts';
import type { StorageDirectory } from '../upstream/storage-directory.ts';
import type { RepositoryView } from '../view/repository-view.ts';

/**
 * Removes a replica that is leaving. The record names it until its storage has removed it: so nothing is left behind,
 * and no new replica is made there before.
 *
 * 1. No proxy reads from it any more.
 * 2. The storage removes it.
 * 3. It is struck out.
 *
 * @throws UpstreamError if the storage fails, StoreUnavailableError; it is to be tried again then
 */
export async function removeLeaving(
  record: RepositoryRecord,
  storage: string,
  options: {
    readonly view: RepositoryView;
    readonly storages: StorageDirectory;
    readonly logger: Logger;
  },
): Promise<void> {
  const { view, storages, logger } = options;
  await view.departuresKnown(record);
  await storages.get(record.virtualStorage)?.control(storage).remove(record.replicaPath);
  await view.change(record, (current) => dropReplica(current, storage));
  const { id, relativePath } = record;
  logger.info({ id, relativePath, storage }, 'a replica that was too many was removed');
}
