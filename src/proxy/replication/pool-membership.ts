import type { Logger } from '../../base/logger.ts';
import { statusCodes } from '../../rpc/status.ts';
import { poolIdOf } from '../routing/replica-path.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore } from '../store/control-store.ts';
import { addReplica } from '../transactions/record-changes.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import type { RepositoryView } from '../view/repository-view.ts';

export interface PoolMembershipOptions {
  readonly store: Pick<ControlStore, 'getById'>;
  readonly view: RepositoryView;
  readonly logger: Logger;
}

/** A replica that is to become like another, which may borrow from an object pool. */
export interface ReplicaPair {
  readonly record: RepositoryRecord;
  readonly virtualStorage: VirtualStorage;
  readonly target: string;
  readonly source: string;
  /** Whose votes pass as long as this repair may change the target. */
  readonly transaction: bigint;
}

export type PoolMembership =
  /** What the target has to borrow from, by its path on the storages. Undefined: from nothing. */
  | { readonly kind: 'known'; readonly pool: string | undefined }
  /** The target's storage does not have the pool yet; it will get it. */
  | { readonly kind: 'poolMissing'; readonly reason: string };

/**
 * What Gitaly says, as INTERNAL, of a replica that leans on what is not there (`DisconnectGitAlternates`): the pool is
 * gone, is named wrongly, or with all of it objects are missing. A full disk gives INTERNAL too, with other words.
 */
const damages: readonly RegExp[] = [
  /\bstat [^\n]*: (no such file or directory|not a directory)$/,
  /\balternate object entry is not a directory$/,
  /\bmultiple alternate object directories$/,
  /\bgit connectivity error while disconnected: exit status 128$/,
];

/** Hard-linking a pool's files and looking whether all is there. */
const disconnectLimitMs = 600_000;

/**
 * Finds out what the target has to borrow from: the object pool of the source, which the target's
 * storage has to hold in sync. A storage that does not have the pool becomes one of its replicas, and
 * the pool's own repair fills it. A source whose pool has no record is copied with all that it borrows.
 */
export async function readMembership(
  { record, virtualStorage, target, source }: ReplicaPair,
  { store, view }: PoolMembershipOptions,
): Promise<PoolMembership> {
  const path = await virtualStorage.control(source).objectPoolOf(record.replicaPath);
  const id = path === undefined ? undefined : poolIdOf(path);
  const pool = id === undefined ? undefined : await store.getById(id);
  if (pool === undefined || pool.replicaPath !== path) return { kind: 'known', pool: undefined };
  if (inSyncVoters(pool).includes(target)) return { kind: 'known', pool: path };
  await view.change(pool, (current) => addReplica(current, target));
  const reason = `its object pool ${pool.relativePath} is not in sync on ${target} yet`;
  return { kind: 'poolMissing', reason };
}

/**
 * Before a copy: what the target has must not lean on anything but `pool`, since a copy leaves out
 * what it takes for present. A target that leans on what is gone cannot be mended, and is made anew;
 * it is not in sync, so nothing is lost. Only if the storage says just that: what a disk that is full, or read-only,
 * keeps it from doing is no reason to remove anything.
 *
 * @throws UpstreamError with any other failure
 */
export async function leaveOtherPools(
  { record, virtualStorage, target, transaction }: ReplicaPair,
  pool: string | undefined,
  { logger }: Pick<PoolMembershipOptions, 'logger'>,
): Promise<void> {
  const control = virtualStorage.control(target);
  const { id, relativePath, replicaPath } = record;
  const current = await control.objectPoolOf(replicaPath).catch(ifUnusable);
  if (current === 'unusable' || (pool !== undefined && current === pool)) return;
  try {
    await control.disconnectFromObjectPool(replicaPath, disconnectLimitMs, transaction);
  } catch (error) {
    if (!isDamage(error)) throw error;
    logger.warn({ id, relativePath, target, err: error }, 'a replica is made anew');
    await control.remove(replicaPath, transaction);
  }
}

/** After a copy: lets the target borrow from `pool`. */
export async function joinPool(
  { record, virtualStorage, target, transaction }: ReplicaPair,
  pool: string | undefined,
): Promise<void> {
  const control = virtualStorage.control(target);
  if (pool === undefined || (await control.objectPoolOf(record.replicaPath)) === pool) return;
  await control.linkToObjectPool(record.replicaPath, pool, transaction);
}

/** While nothing changes: why the target may not be relied on, or undefined if it may. */
export async function membershipFault(
  pair: ReplicaPair,
  options: PoolMembershipOptions,
): Promise<string | undefined> {
  const { record, virtualStorage, target } = pair;
  const [membership, actual] = await Promise.all([
    readMembership(pair, options),
    virtualStorage.control(target).objectPoolOf(record.replicaPath),
  ]);
  if (membership.kind === 'poolMissing') return membership.reason;
  if (membership.pool === actual) return undefined;
  return `it borrows from ${actual ?? 'nothing'} and has to borrow from ${membership.pool ?? 'nothing'}`;
}

/** A replica that is not there, or is no repository, is made from nothing by the copy. */
function ifUnusable(error: unknown): 'unusable' {
  const { NOT_FOUND, FAILED_PRECONDITION } = statusCodes;
  if (isRefusal(error, NOT_FOUND) || isRefusal(error, FAILED_PRECONDITION)) return 'unusable';
  throw error;
}

function isDamage(error: unknown): boolean {
  if (!(error instanceof UpstreamError) || error.code !== statusCodes.INTERNAL) return false;
  return damages.some((damage) => damage.test(error.status.message));
}

function isRefusal(error: unknown, code: number): boolean {
  return error instanceof UpstreamError && error.code === code;
}
