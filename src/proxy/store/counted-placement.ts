import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { InSyncSet } from './in-sync-sets.ts';
import { decodePlacement, encodePlacement, placementOf } from './placement.ts';

/** Repositories with equal replicas, as stores count them. */
export interface CountedPlacement {
  /** See {@link encodePlacement}. The primary may be that of any of them. */
  readonly placement: string;
  readonly repositories: number;
  readonly example: string;
}

/** The set of them; undefined if no storage holds them in sync. */
export function inSyncSet({
  placement,
  repositories,
  example,
}: CountedPlacement): InSyncSet | undefined {
  const storages = decodePlacement(placement)
    .replicas.filter(({ role, inSync }) => role === 'voter' && inSync)
    .map(({ storage }) => storage);
  return storages.length === 0 ? undefined : { storages, repositories, example };
}

/** Counts records of one virtual storage as a database does. */
export function countInSyncSets(records: readonly RepositoryRecord[]): readonly InSyncSet[] {
  const counts = new Map<string, CountedPlacement>();
  for (const record of records) {
    const placement = encodePlacement({ ...placementOf(record), primary: '' });
    const { repositories = 0, example = record.relativePath } = counts.get(placement) ?? {};
    counts.set(placement, { placement, repositories: repositories + 1, example });
  }
  return [...counts.values()].flatMap((count) => inSyncSet(count) ?? []);
}
