import { ManualClock } from '../../../test/support/manual-clock.ts';
import { recordWith } from '../../../test/support/repository-records.ts';
import { silentLogger } from '../../base/logger.ts';
import type { Intent, RepositoryRecord } from '../routing/repository-record.ts';
import { MemoryDatabase } from '../store/memory-database.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';
import { WriteRegistry } from '../transactions/write-registry.ts';
import { RepositoryView } from '../view/repository-view.ts';

/**
 * What repair needs of the proxy `proxy-1`, over one repository whose record is like `parts` say and
 * whose storages do not answer. A proxy in `late` is alive, and known to be after a refresh only.
 */
export async function startRepairing(
  parts: Partial<RepositoryRecord>,
  late: readonly string[] = [],
) {
  const clock = new ManualClock();
  const database = new MemoryDatabase({ clock });
  const created = database.create(recordWith(parts));
  if (created.kind === 'exists') throw new Error('there is a record already');
  const store = createMemoryStore({ clock, database });
  const owner = 'proxy-1';
  const outage = { failed() {}, worked() {} };
  const logger = silentLogger;
  const view = new RepositoryView({ store, owner, clock, logger, outage });
  await view.start();
  const live = new Set([owner]);
  const membership = {
    live,
    leaseTerm: 1,
    hasHeldLeaseSince: (term: number) => term === membership.leaseTerm,
    isAbandoned: (work: Pick<Intent, 'owner'>) => !live.has(work.owner),
    async refresh() {
      for (const proxy of late) live.add(proxy);
    },
  };
  const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
  const virtualStorage = new VirtualStorage('default', policy, []);
  const storages = new StorageDirectory([virtualStorage]);
  const { record } = created;
  const writes = new WriteRegistry();
  /** The record as the store has it now. */
  const current = () => database.getById(record.id);
  const change = (next: RepositoryRecord) => database.swap(next);
  return {
    record,
    current,
    change,
    options: { clock, store, owner, outage, logger, view, membership, storages, writes },
  };
}
