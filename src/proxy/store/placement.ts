import {
  isInSync,
  moveOf,
  type ReplicaRole,
  type RepositoryRecord,
} from '../routing/repository-record.ts';
import type {
  PlacedReplica,
  Placement,
  PlacementCount,
  StoreSummary,
  SummaryQuery,
} from './control-store.ts';

/** See {@link Placement}. */
export function placementOf(record: RepositoryRecord): Placement {
  const { from, to } = moveOf(record) ?? {};
  const stays = record.replicas.some(({ storage, role }) => storage === from && role !== 'leaving');
  const replicas = record.replicas
    .map(({ storage, role }): PlacedReplica => {
      const placed = { storage, role, inSync: isInSync(record, storage) };
      return stays && storage === to && !placed.inSync ? { ...placed, isMoving: true } : placed;
    })
    .toSorted((a, b) => (a.storage < b.storage ? -1 : 1));
  return { primary: record.primary, replicas };
}

/** The same text for equal placements. */
export function encodePlacement({ primary, replicas }: Placement): string {
  return JSON.stringify([
    primary,
    ...replicas.map(({ storage, role, inSync, isMoving = false }) =>
      isMoving ? [storage, role, inSync, isMoving] : [storage, role, inSync],
    ),
  ]);
}

/** The reverse of {@link encodePlacement}. */
export function decodePlacement(text: string): Placement {
  const [primary, ...replicas] = JSON.parse(text) as EncodedPlacement;
  return {
    primary,
    replicas: replicas.map(([storage, role, inSync, isMoving = false]) =>
      isMoving ? { storage, role, inSync, isMoving } : { storage, role, inSync },
    ),
  };
}

type EncodedPlacement = [string, ...[string, ReplicaRole, boolean, isMoving?: true][]];

/** How many replicas are in sync and vote. */
export function countInSync({ replicas }: Placement): number {
  return replicas.filter(({ role, inSync }) => role === 'voter' && inSync).length;
}

/** Whether some replica is not in sync, or is to go. */
export function isBehind(placement: Placement): boolean {
  return countInSync(placement) < placement.replicas.length;
}

/** Whether nothing is left to be done: no intent, no barrier, no move, and each replica is in sync. */
export function isSettled(record: RepositoryRecord): boolean {
  return (
    record.intents.length === 0 &&
    record.barrier === undefined &&
    moveOf(record) === undefined &&
    record.replicas.every(({ storage }) => isInSync(record, storage))
  );
}

interface StorageSum {
  replicas: number;
  inSync: number;
  primaries: number;
  moving: number;
}

/** Adds up what {@link StoreSummary} tells. */
export function summarizePlacements(
  counts: readonly PlacementCount[],
  query: SummaryQuery,
): StoreSummary {
  const sums = { fullyReplicated: 0, degraded: 0, atRisk: 0, unavailable: 0 };
  const storages = new Map<string, StorageSum>();
  let total = 0;
  for (const { placement, repositories } of counts) {
    total += repositories;
    sums[conditionOf(placement, query)] += repositories;
    for (const { storage, role, inSync, isMoving = false } of placement.replicas) {
      const sum = storages.get(storage) ?? { replicas: 0, inSync: 0, primaries: 0, moving: 0 };
      sum.replicas += repositories;
      if (inSync) sum.inSync += repositories;
      else if (isMoving || role === 'leaving') sum.moving += repositories;
      if (storage === placement.primary) sum.primaries += repositories;
      storages.set(storage, sum);
    }
  }
  return { repositories: total, ...sums, storages, placements: counts };
}

function conditionOf(
  { replicas }: Placement,
  { replicationFactor, minInSyncReplicas, unhealthy }: SummaryQuery,
): 'fullyReplicated' | 'degraded' | 'atRisk' | 'unavailable' {
  const voters = replicas.filter(
    ({ storage, role, inSync }) => inSync && role === 'voter' && !unhealthy?.has(storage),
  ).length;
  if (voters === 0) return 'unavailable';
  if (voters >= replicationFactor) return 'fullyReplicated';
  return voters >= minInSyncReplicas ? 'degraded' : 'atRisk';
}
