import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DrainSchema,
  GetStatusResponseSchema,
  StorageStatusSchema,
} from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import type { ReplicaSets } from './replica-sets.ts';
import type { SimulatedDrain, SimulatedStorages } from './simulated-storages.ts';

/** A virtual storage of simulated storages. */
export interface SimulatedVirtualStorage {
  readonly name: string;
  /** Of its storages, in the order of their indexes. */
  readonly storageNames: readonly string[];
  readonly sets: ReplicaSets;
  readonly world: SimulatedStorages;
}

/** Gives what a proxy says of the virtual storage now. What never changes is counted once. */
export function statusOf({
  name,
  storageNames,
  sets,
  world,
}: SimulatedVirtualStorage): () => MessageInitShape<typeof GetStatusResponseSchema> {
  const { replicas, homes } = countReplicas(sets, storageNames.length);
  const inSyncTimes = (count: number) => BigInt(world.repositoriesWith(count));
  const repositories = BigInt(sets.repositories.reduce((sum, one) => sum + one, 0));

  function storageStatus(
    storage: string,
    index: number,
  ): MessageInitShape<typeof StorageStatusSchema> {
    const { healthy, inSync, zone, drain } = world.storage(index);
    const held = BigInt(replicas[index] ?? 0);
    const mayBePrimary = healthy && inSync && !drain;
    return {
      name: storage,
      healthy,
      healthReason: healthy ? '' : 'its pod is away',
      replicas: held,
      inSync: inSync ? held : 0n,
      primaries: mayBePrimary ? BigInt(homes[index] ?? 0) : 0n,
      zone,
      ...(drain && { drain: drainStatus(drain) }),
    };
  }

  return () => ({
    proxyId: 'simulated',
    storeReachable: true,
    virtualStorages: [
      {
        name,
        repositories,
        fullyReplicated: inSyncTimes(3),
        degraded: inSyncTimes(2),
        atRisk: inSyncTimes(1),
        unavailable: inSyncTimes(0),
        storages: storageNames.map(storageStatus),
      },
    ],
  });
}

function drainStatus({
  requester,
  reason,
  requestedMs,
  isNoticed,
  isDrained,
}: SimulatedDrain): MessageInitShape<typeof DrainSchema> {
  const oldestMs = BigInt(Date.now() - requestedMs);
  const call = { class: 'fetch', count: 1n, oldestMs, oldestRepository: '@hashed/clone.git' };
  return {
    requesters: [{ requester, reason, requestedAtMs: BigInt(requestedMs) }],
    unaware: isNoticed ? [] : ['simulated'],
    calls: isDrained ? [] : [call],
    drained: isDrained,
  };
}

/** By storage: the replicas that it holds, and the repositories whose primary it is while all storages serve. */
function countReplicas({ replicas: factor, members, repositories }: ReplicaSets, storages: number) {
  const replicas = new Uint32Array(storages);
  const homes = new Uint32Array(storages);
  for (const [at, storage] of members.entries()) {
    const set = Math.floor(at / factor);
    const count = repositories[set] ?? 0;
    replicas[storage] = (replicas[storage] ?? 0) + count;
    if (at % factor === set % factor) homes[storage] = (homes[storage] ?? 0) + count;
  }
  return { replicas, homes };
}
