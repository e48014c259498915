import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { Drain, StorageStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { waitUntil } from './proxy-cluster.ts';

/** What a proxy says of a storage of its first virtual storage. */
export async function storageStatus(client: GitalyClient, storage: string): Promise<StorageStatus> {
  const { virtualStorages } = await client.admin.getStatus({});
  const found = virtualStorages[0]?.storages.find(({ name }) => name === storage);
  if (found === undefined) throw new Error(`there is no storage ${storage}`);
  return found;
}

/** Undefined if nobody has asked for it. */
export async function drainOf(client: GitalyClient, storage: string): Promise<Drain | undefined> {
  return (await storageStatus(client, storage)).drain;
}

/** Waits until a storage is drained. */
export function untilDrained(client: GitalyClient, storage: string): Promise<void> {
  return waitUntil(
    `${storage} is drained`,
    async () => (await drainOf(client, storage))?.drained === true,
  );
}
