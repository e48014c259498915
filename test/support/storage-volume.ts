import { mkdir, rename, rm } from 'node:fs/promises';
import type { ProxyCluster } from './proxy-cluster.ts';

/**
 * Kills a storage and takes its volume away: when it is restarted, it has an empty one. What is
 * returned puts the old one back, in the place of whatever the storage has by then.
 */
export async function takeVolume(
  cluster: ProxyCluster,
  storage: string,
): Promise<{ putBack(): Promise<void> }> {
  const { storagePath } = cluster.node(storage);
  const kept = `${storagePath}-kept`;
  await cluster.node(storage).kill();
  await rename(storagePath, kept);
  await mkdir(storagePath);
  return {
    async putBack() {
      await cluster.node(storage).kill();
      await rm(storagePath, { recursive: true });
      await rename(kept, storagePath);
    },
  };
}
