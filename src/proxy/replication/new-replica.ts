import { seededRandom } from '../../base/random.ts';
import { isHealthy, type NodeStatus, type NodeView } from '../routing/node-view.ts';
import { bestStorages, pickByWeight } from '../routing/placement.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import type { ReplicationPolicy } from '../routing/route.ts';
import type { RepairRoom } from './repair-room.ts';
import { stayingReplicas } from './staying-replicas.ts';

export type NewReplica =
  | { readonly kind: 'storage'; readonly storage: string }
  /** None for now; why, for people. */
  | { readonly kind: 'none'; readonly reason: string };

/**
 * Where a replica goes that is missing: as with a new repository, see {@link bestStorages}, but never to a disk that is
 * full, nor to a storage that is being drained. If a drained one would be right, for its zone, it is waited for. All
 * that holds as long as the repository can be written: else any storage is better than none.
 *
 * The same for whoever asks: chance is drawn from the repository's id. Where repairs have failed another storage is
 * taken; where there is only no room for one more repair it is waited for, so that many of them do not spoil the zones.
 */
export function placeNewReplica(
  record: RepositoryRecord,
  nodes: NodeView,
  { minInSyncReplicas: staying }: ReplicationPolicy,
  room: RepairRoom,
): NewReplica {
  const inSync = inSyncVoters(record).filter((storage) => isHealthy(nodes, storage));
  const isUrgent = inSync.length < staying;
  const taken = new Set(record.replicas.map(({ storage }) => storage));
  const free = [...nodes.values()].filter(
    (node) =>
      !taken.has(node.storage) &&
      !node.isDecommissioned &&
      (node.healthy || (node.isDraining && !isUrgent)),
  );
  if (free.length === 0) return none('no further storage can be reached');
  const roomy = free.filter((node) => isUrgent || !node.isFull);
  if (roomy.length === 0) return none(`the disk of ${namesOf(free)} is full`);
  const holders = stayingReplicas(record.replicas, nodes).flatMap(
    ({ storage }) => nodes.get(storage) ?? [],
  );
  const best = bestStorages(
    roomy.filter(({ storage }) => !room.hasFailedOn(storage)),
    { holders, staying },
  );
  const usable = best.filter((node) => isUrgent || !node.isDraining);
  if (best.length > 0 && usable.length === 0) return none(`${namesOf(best)} is being drained`);
  const chosen = pickByWeight(
    usable.filter(({ storage }) => room.hasRoomTo(storage)),
    seededRandom(Number(BigInt.asUintN(32, record.id))),
  );
  return chosen === undefined
    ? none('repairs there have to wait')
    : { kind: 'storage', storage: chosen.storage };
}

function none(reason: string): NewReplica {
  return { kind: 'none', reason };
}

function namesOf(nodes: readonly NodeStatus[]): string {
  return `storage ${nodes.map(({ storage }) => storage).join(', ')}`;
}
