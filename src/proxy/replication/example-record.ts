import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { Placement } from '../store/control-store.ts';

/** A repository of that placement in which nothing else is to be done. */
export function exampleOf(virtualStorage: string, placement: Placement): RepositoryRecord {
  const { primary } = placement;
  const replicas = placement.replicas.map(({ storage, role, inSync }) => ({
    storage,
    role,
    lsn: inSync ? 1n : 0n,
  }));
  const versions = { id: 0n, version: 0n, epoch: 0n, lsn: 1n };
  const paths = { relativePath: '', replicaPath: '' };
  return { ...versions, ...paths, virtualStorage, primary, replicas, intents: [] };
}
