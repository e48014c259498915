import { isDecommissioned } from '../routing/node-view.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { takeCopyVotes } from '../transactions/copy-votes.ts';
import { releaseRepair } from '../transactions/record-changes.ts';
import { claimRemoval, dropReplica } from '../transactions/replica-count.ts';
import type { RepairerOptions } from './repairer.ts';

/** A removal is claimed and voted on as a repair is, and needs the same for it. */
export type RemovalOptions = Pick<
  RepairerOptions,
  'owner' | 'view' | 'storages' | 'membership' | 'writes' | 'logger'
>;

/**
 * Removes a replica that is leaving. The record names it until its storage has removed it: so nothing is left behind,
 * and no new replica is made there before.
 *
 * 1. It is claimed, as for a repair: no other proxy removes it as long as this one's lease lasts.
 * 2. No proxy reads from it any more.
 * 3. The storage removes it. It votes before it does so, and is refused when the call is over or the lease may have run
 *    out: by then there may be a new replica in the same place, in sync. A storage that is decommissioned keeps it: forks
 *    may still borrow from it there, and it is gone with the volume.
 * 4. It is struck out.
 *
 * @throws UpstreamError if the storage fails, StoreUnavailableError, Error if others have claimed it; it is to be tried
 *   again then
 */
export async function removeLeaving(
  record: RepositoryRecord,
  storage: string,
  options: RemovalOptions,
): Promise<void> {
  const { owner, view, storages, membership, writes, logger } = options;
  const { transaction, end } = takeCopyVotes(writes, membership);
  const claim = { id: `${owner}/removal/${transaction}`, owner };
  try {
    const earlier = record.replicas.find((replica) => replica.storage === storage)?.repair;
    // Its claim shows a proxy that has just started before the next renewal does.
    if (earlier !== undefined) await membership.refresh();
    const abandoned = earlier && membership.isAbandoned(earlier) ? earlier : undefined;
    const claimed = await view.change(record, (current) =>
      claimRemoval(current, storage, claim, abandoned),
    );
    if (claimed.kind === 'removed') return;
    if (claimed.kind === 'refused') throw new Error(`it cannot be removed: ${claimed.reason}`);
    await view.departuresKnown(claimed.record);
    const virtualStorage = storages.get(record.virtualStorage);
    if (virtualStorage && !isDecommissioned(virtualStorage.nodes(), storage)) {
      await virtualStorage.control(storage).remove(record.replicaPath, transaction);
    }
    await view.change(view.latest(claimed.record), (current) => dropReplica(current, claim));
    const { id, relativePath } = record;
    logger.info({ id, relativePath, storage }, 'a replica has left');
  } finally {
    end();
    await view.change(view.latest(record), (current) => releaseRepair(current, claim));
  }
}
