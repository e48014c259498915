import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import type { GitalyClusterUnderTest } from './gitaly-cluster.ts';

/** What was found on the storages themselves. */
export interface ReplicaCheck {
  readonly replicas: readonly string[];
  /** Acknowledged refs that a replica lacks, or has elsewhere. Empty if all is well. */
  readonly lost: readonly string[];
  /** Whether all replicas have the same refs. */
  readonly equal: boolean;
}

/** Asks every in-sync replica, past the proxies, for the refs that were acknowledged. */
export async function checkReplicas(
  underTest: GitalyClusterUnderTest,
  status: RepositoryStatus,
  expected: ReadonlyMap<string, string>,
): Promise<ReplicaCheck> {
  const storages = status.replicas.filter(({ inSync }) => inSync).map(({ storage }) => storage);
  const lost: string[] = [];
  const checksums = new Set<string>();
  for (const storage of storages) {
    const client = await underTest.storageClient(storage);
    const repository = { storageName: storage, relativePath: status.replicaPath };
    checksums.add((await client.repository.calculateChecksum({ repository })).checksum);
    const refs = await refsOf(client, repository);
    for (const [name, target] of expected) {
      if (refs.get(name) !== target)
        lost.push(`${storage}: ${name} is ${refs.get(name)}, not ${target}`);
    }
  }
  return { replicas: storages, lost, equal: checksums.size === 1 };
}

async function refsOf(
  client: GitalyClient,
  repository: { readonly storageName: string; readonly relativePath: string },
): Promise<ReadonlyMap<string, string>> {
  const refs = new Map<string, string>();
  const request = { repository, patterns: [Buffer.from('refs/')] };
  for await (const { references } of client.ref.listRefs(request)) {
    for (const { name, target } of references) refs.set(Buffer.from(name).toString(), target);
  }
  return refs;
}
