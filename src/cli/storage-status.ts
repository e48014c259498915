import type { StorageStatus } from '../gen/gitaly_operator/v1/admin_pb.ts';
import type { Session } from './session.ts';
import type { StorageName } from './storage-name.ts';

/** What the proxies say of a storage; undefined if there is none of that name. */
export async function storageStatusOf(
  { virtualStorage, storage }: StorageName,
  { client }: Pick<Session, 'client'>,
): Promise<StorageStatus | undefined> {
  const { virtualStorages } = await client.admin.getStatus({});
  return virtualStorages
    .find(({ name }) => name === virtualStorage)
    ?.storages.find(({ name }) => name === storage);
}
