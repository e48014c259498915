import { errorMessage } from '../../base/errors.ts';
import type { Repository } from '../../gen/gitaly/shared_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import { takeCopyVotes } from '../transactions/copy-votes.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';
import type { RelayContext } from './context.ts';
import { beginCreation, takeBackCreation } from './creation.ts';
import { LocalCallError } from './local-method.ts';
import { settle } from './write-settlement.ts';

export interface PoolCreation {
  /** As the client named them. */
  readonly messages: { readonly pool: Repository; readonly origin: Repository };
  readonly key: RepositoryKey;
  /** What the pool is cloned from. */
  readonly origin: RepositoryRecord;
  readonly virtualStorage: VirtualStorage;
  /** Unique over all proxies and time. */
  readonly transaction: string;
  readonly metadata: readonly HeaderField[];
  /** What is left of the call's time. */
  readonly limitMs: number;
  /** Told of the record as soon as there is one. */
  onRecord(record: RepositoryRecord): void;
}

/**
 * Creates an object pool. Gitaly does not vote on it in a way that can be used, so contents are compared:
 *
 * 1. Make the record, with replicas where the origin has its own: a pool is opened on the same disk.
 * 2. Let each storage that has the origin in sync clone it. The primary's result counts, or another's
 *    if the primary was lost.
 * 3. One whose result differs, since the origin was written meanwhile, copies the one that counts.
 * 4. Storages that are equal then hold the pool; the others get it by repair. With too few of them, or
 *    where the primary refuses, everything is taken back.
 *
 * @throws LocalCallError ALREADY_EXISTS, UNAVAILABLE; UpstreamError with what the primary says
 */
export async function createPool(creation: PoolCreation, context: RelayContext): Promise<void> {
  const release = context.writes.hold(creation.transaction);
  try {
    await createHeld(creation, context);
  } finally {
    release();
  }
}

async function createHeld(creation: PoolCreation, context: RelayContext): Promise<void> {
  const { key, origin, virtualStorage, transaction } = creation;
  const record = await beginCreation({ key, transaction, virtualStorage, beside: origin }, context);
  if (record === 'exists') {
    throw new LocalCallError(statusCodes.ALREADY_EXISTS, 'repository already exists');
  }
  creation.onRecord(record);
  let settled = false;
  try {
    const { reference, finished } = await cloneEverywhere(creation, record);
    const holders = await makeEqual(reference, finished, record, creation, context);
    const { minInSyncReplicas } = virtualStorage.policy;
    if (holders.length < minInSyncReplicas) {
      const reason = `the pool is on ${holders.length} of ${minInSyncReplicas} required replicas`;
      throw new LocalCallError(statusCodes.UNAVAILABLE, reason);
    }
    const outcome = { kind: 'committed', reference, holders } as const;
    // From here on others may see the pool: it is not for this call to take it back any more.
    settled = true;
    const settlement = await settle(outcome, { record, transaction, virtualStorage, context });
    if (settlement.kind === 'failed') {
      throw new LocalCallError(statusCodes.UNAVAILABLE, settlement.reason);
    }
  } finally {
    if (!settled) await takeBack(record, virtualStorage, context);
  }
}

/** Who has a result, and whose counts. */
interface Clones {
  readonly reference: string;
  readonly finished: readonly string[];
}

async function cloneEverywhere(
  { messages, origin, virtualStorage, metadata, limitMs }: PoolCreation,
  record: RepositoryRecord,
): Promise<Clones> {
  const voters = record.intents[0]?.voters ?? [];
  const paths = { pool: record.replicaPath, origin: origin.replicaPath };
  const results = await Promise.all(
    voters.map((storage) =>
      virtualStorage
        .control(storage)
        .createObjectPool(messages, paths, { limitMs, metadata })
        .then(
          () => undefined,
          (error: unknown) => error,
        ),
    ),
  );
  const finished = voters.filter((_, index) => results[index] === undefined);
  const failure = results[voters.indexOf(record.primary)];
  const isLost = failure instanceof UpstreamError && failure.code === statusCodes.UNAVAILABLE;
  if (failure !== undefined && !isLost) throw failure;
  const reference = failure === undefined ? record.primary : finished[0];
  if (reference === undefined) throw failure;
  return { reference, finished };
}

/** Which storages hold the same as `reference`, after those that did not have copied it. */
async function makeEqual(
  reference: string,
  finished: readonly string[],
  { replicaPath }: RepositoryRecord,
  { virtualStorage, limitMs }: PoolCreation,
  context: RelayContext,
): Promise<readonly string[]> {
  const checksum = (storage: string) => virtualStorage.control(storage).checksum(replicaPath);
  const expected = await checksum(reference);
  const source = virtualStorage.sourceOf(reference);
  const { transaction, end } = takeCopyVotes(context.writes, context.membership);
  const isEqual = async (storage: string): Promise<boolean> => {
    if (storage === reference || (await checksum(storage)) === expected) return true;
    await virtualStorage.control(storage).replicate(replicaPath, source, limitMs, transaction);
    return (await checksum(storage)) === expected;
  };
  try {
    const equal = await Promise.all(finished.map((storage) => isEqual(storage).catch(() => false)));
    return finished.filter((_, index) => equal[index]);
  } finally {
    end();
  }
}

/** A store that is away now leaves it to repair: a creation without its owner is taken back there. */
async function takeBack(
  record: RepositoryRecord,
  virtualStorage: VirtualStorage,
  context: RelayContext,
): Promise<void> {
  try {
    await takeBackCreation(record, virtualStorage, context);
  } catch (error) {
    const { id, relativePath } = record;
    context.logger.warn({ id, relativePath, err: errorMessage(error) }, 'a pool is not taken back');
  }
}
