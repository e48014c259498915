import type { RepositoryRecord } from '../../src/proxy/routing/repository-record.ts';

/** The voters that are in sync. In words of its own: the product's may be what is wrong. */
export function inSyncVoters({ lsn, replicas }: RepositoryRecord): readonly string[] {
  const inSync: string[] = [];
  for (const replica of replicas) {
    if (replica.role === 'voter' && replica.lsn === lsn) inSync.push(replica.storage);
  }
  return inSync;
}
