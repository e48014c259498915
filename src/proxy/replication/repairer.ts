import type { Logger } from '../../base/logger.ts';
import type { Barrier, RepositoryRecord } from '../routing/repository-record.ts';
import { addLearner, promote } from '../transactions/record-changes.ts';
import type { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';
import { underBarrier, type BarrierOptions } from './barrier.ts';

export interface RepairerOptions extends BarrierOptions {
  readonly storages: StorageDirectory;
  /** What storages sign their calls to one another with. */
  gitalyToken(): string;
  readonly logger: Logger;
}

export type RepairOutcome =
  { readonly kind: 'inSync' } | { readonly kind: 'notYet'; readonly reason: string };

/** Copying a large repository takes long. */
const copyLimitMs = 3_600_000;
/** What is left to copy while writes are held back has to be little. */
const catchUpLimitMs = 6000;
const compareLimitMs = 3000;

/**
 * Brings a replica in sync while the repository is being written:
 *
 * 1. It becomes a learner: it takes part in the writes that begin from now on.
 * 2. It copies everything from an in-sync replica. That may take long; writes go on.
 * 3. Writes are held back for a moment. It copies what is left.
 * 4. Its contents are compared with the source's. If they are equal it is a voter, in sync.
 *
 * Rejects with an UpstreamError where a storage fails, and when the store is away.
 */
export async function bringInSync(
  record: RepositoryRecord,
  target: string,
  source: string,
  options: RepairerOptions,
): Promise<RepairOutcome> {
  const { view, storages, logger } = options;
  const virtualStorage = storages.get(record.virtualStorage);
  if (virtualStorage === undefined) {
    return { kind: 'notYet', reason: `there is no virtual storage ${record.virtualStorage}` };
  }
  const learning = await view.change(record, (current) => addLearner(current, target));
  if (learning.kind === 'removed') return { kind: 'notYet', reason: 'the repository was removed' };
  const { id, relativePath, replicaPath } = record;
  logger.info({ id, relativePath, target, source }, 'a replica is being brought in sync');

  await copy(virtualStorage, replicaPath, { target, source, limitMs: copyLimitMs, options });
  const outcome = await underBarrier(learning.record, options, async (quiet, barrier) => {
    await copy(virtualStorage, replicaPath, { target, source, limitMs: catchUpLimitMs, options });
    return compareAndPromote(quiet, { target, source, virtualStorage, barrier, options });
  });
  const result: RepairOutcome =
    outcome.kind === 'busy' ? { kind: 'notYet', reason: outcome.reason } : outcome.value;
  logger.info({ id, relativePath, target, result }, 'a repair has ended');
  return result;
}

interface CopyOptions {
  readonly target: string;
  readonly source: string;
  readonly limitMs: number;
  readonly options: RepairerOptions;
}

async function copy(
  virtualStorage: VirtualStorage,
  replicaPath: string,
  { target, source, limitMs, options }: CopyOptions,
): Promise<void> {
  const address = virtualStorage.addressOf(source);
  const from = { storage: source, address, token: options.gitalyToken() };
  await virtualStorage.control(target).replicate(replicaPath, from, limitMs);
}

async function compareAndPromote(
  quiet: RepositoryRecord,
  {
    target,
    source,
    virtualStorage,
    barrier,
    options,
  }: {
    readonly target: string;
    readonly source: string;
    readonly virtualStorage: VirtualStorage;
    readonly barrier: Barrier;
    readonly options: RepairerOptions;
  },
): Promise<RepairOutcome> {
  const [expected, actual] = await Promise.all(
    [source, target].map((storage) =>
      virtualStorage.control(storage).checksum(quiet.replicaPath, compareLimitMs),
    ),
  );
  if (expected !== actual) return { kind: 'notYet', reason: 'its contents differ after copying' };
  const promoted = await options.view.change(quiet, (current) =>
    promote(current, [target], { barrier, source }),
  );
  if (promoted.kind === 'changed') return { kind: 'inSync' };
  const reason = promoted.kind === 'refused' ? promoted.reason : promoted.kind;
  return { kind: 'notYet', reason: `the record has changed meanwhile: ${reason}` };
}
