import { rendezvous } from '../../base/rendezvous.ts';
import { moveOf, type RepositoryRecord } from './repository-record.ts';

/**
 * The storage where a repository's primary belongs when it can be there. Failovers move the primaries of a lost
 * storage to the others: so that they do not stay there for ever, each repository has a home that nobody has to
 * remember. Homes are spread evenly.
 *
 * @returns undefined if no replica is to stay
 */
export function homeOf({
  id,
  replicas,
}: Pick<RepositoryRecord, 'id' | 'replicas'>): string | undefined {
  const replaced = moveOf({ replicas })?.from;
  const staying = replicas.filter(
    ({ role, storage }) => role !== 'leaving' && storage !== replaced,
  );
  return homeAmong(
    id,
    staying.map(({ storage }) => storage),
  );
}

/** The home of a repository that has its replicas on `storages`. */
export function homeAmong(id: bigint, storages: readonly string[]): string | undefined {
  return rendezvous(String(id), storages);
}
