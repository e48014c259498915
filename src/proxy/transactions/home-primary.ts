import { rendezvous } from '../../base/rendezvous.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import { withPrimary } from './record-changes.ts';

/**
 * The storage where a repository's primary belongs when all of its replicas can be had. Chance spreads
 * new primaries evenly, and failovers move those of a lost storage to the others: so that they do not
 * stay there for ever, each repository has a home that nobody has to remember.
 */
export function homeOf({ id, replicas }: RepositoryRecord): string | undefined {
  const staying = replicas.filter(({ role }) => role !== 'leaving');
  return rendezvous(
    String(id),
    staying.map(({ storage }) => storage),
  );
}

/** The record with its primary on `storage`, in a new epoch, if it is at home there and in sync. */
export function withPrimaryAtHome(record: RepositoryRecord, storage: string): RepositoryRecord {
  const belongsThere = homeOf(record) === storage && inSyncVoters(record).includes(storage);
  return belongsThere && record.primary !== storage ? withPrimary(record, storage) : record;
}
