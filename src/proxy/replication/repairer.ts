import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Barrier, RepairClaim, RepositoryRecord } from '../routing/repository-record.ts';
import { claimRepair, promote, releaseRepair } from '../transactions/record-changes.ts';
import { takeCopyVotes } from '../transactions/copy-votes.ts';
import type { WriteRegistry } from '../transactions/write-registry.ts';
import type { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';
import type { ControlStore } from '../store/control-store.ts';
import type { Membership } from '../view/membership.ts';
import { underBarrier, type BarrierOptions } from './barrier.ts';
import { joinPool, leaveOtherPools, membershipFault, readMembership } from './pool-membership.ts';

export interface RepairerOptions extends BarrierOptions {
  readonly store: Pick<ControlStore, 'getById'>;
  readonly storages: StorageDirectory;
  readonly membership: Pick<
    Membership,
    'isAbandoned' | 'refresh' | 'leaseTerm' | 'hasHeldLeaseSince'
  >;
  readonly writes: Pick<WriteRegistry, 'add' | 'remove'>;
  readonly logger: Logger;
}

interface NotYet {
  readonly kind: 'notYet';
  readonly reason: string;
}

export type RepairOutcome =
  | { readonly kind: 'inSync' }
  /** Something else has to be repaired first, which is under way. */
  | { readonly kind: 'waits'; readonly reason: string }
  | NotYet;

/** Copying a large repository takes long. */
const copyLimitMs = 3_600_000;
/** What is left to copy while writes are held back has to be little. */
const catchUpLimitMs = 6000;
const compareLimitMs = 3000;

/** A repair under way: what each of its steps needs. */
interface Repair {
  readonly claim: RepairClaim;
  /** Of the votes that the target casts while it copies. */
  readonly transaction: bigint;
  readonly target: string;
  readonly source: string;
  readonly replicaPath: string;
  readonly virtualStorage: VirtualStorage;
  readonly options: RepairerOptions;
}

/**
 * Brings a replica in sync while the repository is being written:
 *
 * 1. It is claimed: nobody else repairs it as long as this proxy's lease lasts. It becomes a learner
 *    and takes part in the writes that begin from now on.
 * 2. Where the source borrows from an object pool, the pool has to be in sync on that storage first.
 * 3. It copies everything from an in-sync replica. That may take long; writes go on. Then it borrows
 *    from the same pool.
 * 4. Writes are held back for a moment. It copies what is left.
 * 5. Its contents, and what it borrows from, are compared with the source's. If they are equal it is
 *    a voter, in sync.
 *
 * A storage goes on copying when this proxy does not wait for it any more, or stands still. So it
 * votes on what it is about to change, and is refused when the call is over or the lease may have
 * run out: by then another proxy may have brought the replica in sync, with newer contents.
 *
 * Rejects with an UpstreamError where a storage fails, and when the store is away.
 */
export async function bringInSync(
  record: RepositoryRecord,
  target: string,
  source: string,
  options: RepairerOptions,
): Promise<RepairOutcome> {
  const { storages, logger, view, writes, owner } = options;
  const virtualStorage = storages.get(record.virtualStorage);
  if (virtualStorage === undefined) {
    return notYet(`there is no virtual storage ${record.virtualStorage}`);
  }
  const { transaction, end } = takeCopyVotes(writes, options.membership);
  const claim = { id: `${owner}/repair/${transaction}`, owner };
  const { id, relativePath, replicaPath } = record;
  const repair = { claim, transaction, target, source, replicaPath, virtualStorage, options };
  let failure: string | undefined;
  try {
    // A replica that waits long for its pool is not to be claimed again and again meanwhile.
    const isPlaced = record.replicas.some(({ storage }) => storage === target);
    const early = isPlaced ? await readMembership({ ...repair, record }, options) : undefined;
    if (early?.kind === 'poolMissing') return { kind: 'waits', reason: early.reason };
    const claimed = await claimReplica(record, repair);
    if (claimed.kind === 'notYet') return claimed;
    logger.info({ id, relativePath, target, source }, 'a replica is being brought in sync');
    const result = await copyAndPromote(claimed.record, repair);
    if (result.kind !== 'inSync') failure = result.reason;
    logger.info({ id, relativePath, target, result }, 'a repair has ended');
    return result;
  } catch (error) {
    failure = errorMessage(error);
    throw error;
  } finally {
    end();
    await view.change(view.latest(record), (current) => releaseRepair(current, claim, failure));
  }
}

async function claimReplica(
  record: RepositoryRecord,
  { claim, target, options }: Repair,
): Promise<NotYet | { readonly kind: 'claimed'; readonly record: RepositoryRecord }> {
  const { view, membership } = options;
  const earlier = record.replicas.find(({ storage }) => storage === target)?.repair;
  if (earlier !== undefined) {
    // Its claim shows a proxy that has just started before the next renewal does.
    await membership.refresh();
    if (!membership.isAbandoned(earlier)) return notYet(`${earlier.owner} repairs it`);
  }
  const claimed = await view.change(record, (current) =>
    claimRepair(current, target, claim, earlier),
  );
  if (claimed.kind === 'changed') return { kind: 'claimed', record: claimed.record };
  return notYet(claimed.kind === 'removed' ? 'the repository was removed' : claimed.reason);
}

async function copyAndPromote(claimed: RepositoryRecord, repair: Repair): Promise<RepairOutcome> {
  const { options } = repair;
  const pair = { ...repair, record: claimed };
  const membership = await readMembership(pair, options);
  if (membership.kind === 'poolMissing') return { kind: 'waits', reason: membership.reason };
  await leaveOtherPools(pair, membership.pool, options);
  await copy(repair, copyLimitMs);
  await joinPool(pair, membership.pool);
  const outcome = await underBarrier(claimed, options, async (quiet, barrier) => {
    await copy(repair, catchUpLimitMs);
    return compareAndPromote(quiet, barrier, repair);
  });
  return outcome.kind === 'busy' ? notYet(outcome.reason) : outcome.value;
}

async function copy(repair: Repair, limitMs: number): Promise<void> {
  const { transaction, target, source, replicaPath, virtualStorage } = repair;
  const from = virtualStorage.sourceOf(source);
  await virtualStorage.control(target).replicate(replicaPath, from, limitMs, transaction);
}

async function compareAndPromote(
  quiet: RepositoryRecord,
  barrier: Barrier,
  repair: Repair,
): Promise<RepairOutcome> {
  const { claim, target, source, virtualStorage, options } = repair;
  const [expected, actual] = await Promise.all(
    [source, target].map((storage) =>
      virtualStorage.control(storage).checksum(quiet.replicaPath, compareLimitMs),
    ),
  );
  if (expected !== actual) return notYet('its contents differ after copying');
  const fault = await membershipFault({ ...repair, record: quiet }, options);
  if (fault !== undefined) return notYet(fault);
  const promoted = await options.view.change(quiet, (current) =>
    promote(current, claim, { barrier, source, lsn: quiet.lsn }),
  );
  if (promoted.kind === 'changed') return { kind: 'inSync' };
  const reason = promoted.kind === 'refused' ? promoted.reason : promoted.kind;
  return notYet(`the record has changed meanwhile: ${reason}`);
}

function notYet(reason: string): NotYet {
  return { kind: 'notYet', reason };
}
