import { isDecommissioned, isDraining, isHealthy, type NodeView } from '../routing/node-view.ts';
import {
  inSyncVoters,
  moveOf,
  type Intent,
  type Replica,
  type RepositoryRecord,
} from '../routing/repository-record.ts';
import type { ReplicationPolicy } from '../routing/route.ts';
import { assignedStorages } from '../transactions/replica-count.ts';
import { placeNewReplica } from './new-replica.ts';
import { anyRoom, type RepairRoom } from './repair-room.ts';
import { stayingReplicas } from './staying-replicas.ts';

/** What a repository needs next, if anything. One step at a time: the next look decides the next. */
export type RepairStep =
  | { readonly kind: 'nothing' }
  /** A creation whose owner is gone was never acknowledged: it is taken back. */
  | { readonly kind: 'takeBackCreation' }
  /** Writes of owners that are gone have to be settled before anything else. */
  | { readonly kind: 'settleAbandoned' }
  /** A replica is behind, or missing. */
  | {
      readonly kind: 'bringInSync';
      readonly storage: string;
      readonly source: string;
      /** Nothing is missing: it is to replace another. */
      readonly isMove?: true;
    }
  /** The replica on `storage` is in sync, and the one that it replaces may go. */
  | { readonly kind: 'endMove'; readonly storage: string }
  /** The primary is where no replica is to stay. */
  | { readonly kind: 'movePrimary'; readonly to: string }
  /** A replica is where none is to stay, and enough others are in sync. */
  | { readonly kind: 'retireReplica'; readonly storage: string }
  /** A replica is leaving. */
  | { readonly kind: 'removeReplica'; readonly storage: string }
  /** Something is to be done, and cannot be now. */
  | { readonly kind: 'blocked'; readonly reason: string };

/**
 * Decides the next step of repair (pure). Of several replicas that could be brought in sync, and of several sources,
 * one that has room is taken: a storage on which it fails again and again keeps no other from being repaired.
 */
export function planRepair(
  record: RepositoryRecord,
  nodes: NodeView,
  policy: ReplicationPolicy,
  isAbandoned: (work: Pick<Intent, 'owner'>) => boolean,
  room: RepairRoom = anyRoom,
): RepairStep {
  const abandoned = record.intents.filter(isAbandoned);
  if (abandoned.some((intent) => intent.kind === 'creation')) return { kind: 'takeBackCreation' };
  if (abandoned.length > 0) return { kind: 'settleAbandoned' };
  if (record.intents.some((intent) => intent.kind === 'creation')) return { kind: 'nothing' };

  const leaving = replicaToRemove(record, nodes, policy, isAbandoned);
  if (leaving !== undefined && room.hasRoomTo(leaving)) {
    return { kind: 'removeReplica', storage: leaving };
  }
  const moved = nextOfMove(record, nodes, policy);
  if (moved !== undefined) return moved;
  const behind = replicaToMend(record, nodes, policy, isAbandoned, room);
  if (behind.kind === 'nothing') return evacuation(record, nodes, policy);
  if (behind.kind === 'blocked') return behind;
  const sources = sourcesFor(record, nodes);
  if (sources.length === 0) return { kind: 'blocked', reason: 'no in-sync replica can be reached' };
  const source = sources.find((storage) => room.hasRoomFrom(storage));
  return source === undefined
    ? { kind: 'blocked', reason: 'enough is being copied from all sources' }
    : { ...behind, source };
}

/**
 * What a move needs besides a copy. Its primary goes first, so that what began with it has ended when the replica goes.
 * That goes only while all that stay are in sync, can be reached and are not about to go. One on a decommissioned
 * storage goes as all there do.
 */
function nextOfMove(
  record: RepositoryRecord,
  nodes: NodeView,
  { replicationFactor }: ReplicationPolicy,
): RepairStep | undefined {
  const move = moveOf(record);
  if (move === undefined || isDecommissioned(nodes, move.from)) return undefined;
  const { from, to } = move;
  const endMove = { kind: 'endMove', storage: to } as const;
  const assigned = assignedStorages(record);
  if (!assigned.includes(from)) return endMove;
  const sound = inSyncVoters(record).filter(
    (storage) => storage !== from && isHealthy(nodes, storage) && !isDraining(nodes, storage),
  );
  const successor = sound.find((storage) => storage === to) ?? sound[0];
  if (record.primary === from && successor !== undefined) {
    return { kind: 'movePrimary', to: successor };
  }
  const isWhole = sound.length >= Math.max(replicationFactor, assigned.length - 1);
  return isWhole && sound.includes(to) && !isDraining(nodes, from) ? endMove : undefined;
}

/** Moves a repository away from decommissioned storages, when others hold as many replicas as there are to be. */
function evacuation(
  record: RepositoryRecord,
  nodes: NodeView,
  { replicationFactor }: ReplicationPolicy,
): RepairStep {
  const replica = record.replicas.find(
    ({ storage, role }) => role !== 'leaving' && isDecommissioned(nodes, storage),
  );
  if (replica === undefined) return { kind: 'nothing' };
  const others = inSyncVoters(record).filter(
    (storage) => isHealthy(nodes, storage) && !isDecommissioned(nodes, storage),
  );
  const [successor] = others;
  if (successor === undefined || others.length < replicationFactor) {
    return {
      kind: 'blocked',
      reason: `too few storages besides ${replica.storage} can be reached`,
    };
  }
  return isDecommissioned(nodes, record.primary)
    ? { kind: 'movePrimary', to: successor }
    : { kind: 'retireReplica', storage: replica.storage };
}

/**
 * Not while a write or a copy may still go there, and not before enough others can be had: it may be
 * the last that is left. A decommissioned storage need not be there for it: it keeps what it has.
 */
function replicaToRemove(
  record: RepositoryRecord,
  nodes: NodeView,
  policy: ReplicationPolicy,
  isAbandoned: (work: Pick<Intent, 'owner'>) => boolean,
): string | undefined {
  const inSync = inSyncVoters(record).filter((storage) => isHealthy(nodes, storage));
  if (record.intents.length > 0 || inSync.length < policy.minInSyncReplicas) return undefined;
  return record.replicas.find(
    ({ storage, role, repair }) =>
      role === 'leaving' &&
      (repair === undefined || isAbandoned(repair)) &&
      (isHealthy(nodes, storage) || isDecommissioned(nodes, storage)),
  )?.storage;
}

type Mending =
  | { readonly kind: 'bringInSync'; readonly storage: string; readonly isMove?: true }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'blocked'; readonly reason: string };

/**
 * Existing replicas that are behind come first; a missing one is made on a storage without any. Those on
 * decommissioned storages are as good as missing.
 */
function replicaToMend(
  record: RepositoryRecord,
  nodes: NodeView,
  policy: ReplicationPolicy,
  isAbandoned: (work: Pick<Intent, 'owner'>) => boolean,
  room: RepairRoom,
): Mending {
  const inSync = inSyncVoters(record);
  const moving = replicaOnTheMove(record, nodes);
  const staying = stayingReplicas(record.replicas, nodes).filter((replica) => replica !== moving);
  const behind = staying.filter(({ storage }) => !inSync.includes(storage));
  const isFree = ({ repair }: Replica) => repair === undefined || isAbandoned(repair);
  const reachable = behind.filter(
    (replica) => isFree(replica) && isHealthy(nodes, replica.storage),
  );
  const next = reachable.find(({ storage }) => room.hasRoomTo(storage));
  if (next !== undefined) return { kind: 'bringInSync', storage: next.storage };
  if (reachable.length > 0) return { kind: 'blocked', reason: 'repairs there have to wait' };

  if (staying.length < policy.replicationFactor) {
    const placed = placeNewReplica(record, nodes, policy, room);
    return placed.kind === 'storage'
      ? { kind: 'bringInSync', storage: placed.storage }
      : { kind: 'blocked', reason: placed.reason };
  }
  if (behind.length === 0) {
    return moving === undefined || !isFree(moving)
      ? { kind: 'nothing' }
      : copyOfMove(moving, nodes, room);
  }
  const names = behind.map((replica) => replica.storage).join(', ');
  const reason = behind.every(isFree)
    ? 'cannot be reached'
    : 'cannot be reached, or is under repair';
  return { kind: 'blocked', reason: `storage ${names} ${reason}` };
}

/** A replica that is to replace another that stays until then: as long as it is not in sync, it counts for nothing. */
function replicaOnTheMove(record: RepositoryRecord, nodes: NodeView): Replica | undefined {
  const move = moveOf(record);
  const staying = stayingReplicas(record.replicas, nodes);
  if (!staying.some(({ storage }) => storage === move?.from)) return undefined;
  return staying.find(
    ({ storage }) => storage === move?.to && !inSyncVoters(record).includes(storage),
  );
}

/** Comes when nothing has to be mended, and waits for more than a repair does: nothing is lost by that. */
function copyOfMove(
  { storage, replaces = '' }: Replica,
  nodes: NodeView,
  room: RepairRoom,
): Mending {
  const goes = [storage, replaces].find((each) => isDraining(nodes, each));
  if (goes !== undefined) return { kind: 'blocked', reason: `storage ${goes} is being drained` };
  if (nodes.get(storage)?.isFull === true) {
    return { kind: 'blocked', reason: `the disk of storage ${storage} is full` };
  }
  return isHealthy(nodes, storage) && room.hasRoomTo(storage)
    ? { kind: 'bringInSync', storage, isMove: true }
    : { kind: 'blocked', reason: `storage ${storage} has to wait` };
}

/**
 * Any in-sync replica will do. The primary comes late, as it has the most to do already, and last what is being
 * drained: it may be gone before the copy is done.
 */
function sourcesFor(record: RepositoryRecord, nodes: NodeView): readonly string[] {
  const usable = inSyncVoters(record).filter((storage) => isHealthy(nodes, storage));
  const rank = (storage: string) =>
    Number(storage === record.primary) + 2 * Number(isDraining(nodes, storage));
  return usable.toSorted((a, b) => rank(a) - rank(b));
}
