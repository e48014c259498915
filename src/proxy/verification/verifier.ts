import { assertNever } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { statusCodes } from '../../rpc/status.ts';
import { underBarrier, type BarrierOptions } from '../replication/barrier.ts';
import { isHealthy } from '../routing/node-view.ts';
import { inSyncVoters, type Barrier, type RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore } from '../store/control-store.ts';
import { leaveBehind } from '../transactions/leave-behind.ts';
import type { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import { judge, type Flaw, type Observation, type Verdict } from './judge.ts';

export interface VerifierOptions extends BarrierOptions {
  readonly store: Pick<ControlStore, 'getById'>;
  readonly storages: StorageDirectory;
  readonly logger: Logger;
  /** Told of each replica that was looked at. */
  readonly metrics: VerificationMetrics;
}

/** What is counted of verifications. */
export interface VerificationMetrics {
  verificationStarted(virtualStorage: string, storage: string): void;
  verificationEnded(
    virtualStorage: string,
    storage: string,
    result: 'valid' | 'invalid' | 'error',
  ): void;
  /** A replica that was in sync has a flaw, and fell behind. */
  leftBehind(virtualStorage: string, storage: string, flaw: Flaw): void;
}

export type Verification =
  /** All in-sync replicas are equal. */
  | { readonly kind: 'verified' }
  /** Those with flaws have fallen behind, and are repaired. The others are equal. */
  | {
      readonly kind: 'leftBehind';
      readonly flaws: ReadonlyMap<string, Flaw>;
      readonly unseen: readonly string[];
    }
  /** Nobody can tell which replica is right. Nothing was changed. */
  | { readonly kind: 'undecidable'; readonly finding: string }
  /** Not all could be seen, or something else was under way. */
  | { readonly kind: 'postponed'; readonly reason: string }
  | { readonly kind: 'gone' };

/** A digest of many references takes long. Nobody waits for it. */
const quickLookLimitMs = 60_000;
/** While writes are held back. */
const barrierLookLimitMs = 4000;
/** How often a repository that is being written is looked at before writes are held back. */
const quickLooks = 2;

/**
 * Compares the in-sync replicas of a repository with one another: whether each is there, and holds the same.
 *
 * 1. A look while everything goes on. It counts if the record is the same after as before, and no write in flight.
 * 2. If it shows a flaw, or if the repository is always in motion, writes are held back, and all is looked at again.
 * 3. What is flawed then falls behind, and nobody reads there any more. Repair does the rest.
 *
 * Storages that cannot be reached are left alone, and those with calls that wait for room. Nothing is
 * judged that could not be seen.
 *
 * @throws StoreUnavailableError
 */
export async function verifyReplicas(
  { id }: Pick<RepositoryRecord, 'id'>,
  options: VerifierOptions,
): Promise<Verification> {
  let record = await options.store.getById(id);
  for (let look = 1; record !== undefined && look <= quickLooks; look++) {
    const virtualStorage = options.storages.get(record.virtualStorage);
    if (virtualStorage === undefined) return postponed('its virtual storage is not served');
    if (isBeingMade(record)) return postponed('it is being made');
    const verdict = judge(await observe(record, virtualStorage, quickLookLimitMs, options));
    const after = await options.store.getById(id);
    if (verdict.kind === 'unseen') return postponed(verdict.reason);
    const isSteady = after?.version === record.version && record.intents.length === 0;
    if (isSteady && verdict.kind === 'equal') return unlessUnseen(verdict.unseen);
    record = after;
    if (isSteady) break;
  }
  return record === undefined ? { kind: 'gone' } : verifyUnderBarrier(record, options);
}

async function verifyUnderBarrier(
  record: RepositoryRecord,
  options: VerifierOptions,
): Promise<Verification> {
  const virtualStorage = options.storages.get(record.virtualStorage);
  if (virtualStorage === undefined) return postponed('its virtual storage is not served');
  const outcome = await underBarrier(record, options, async (quiet, barrier) => {
    // Writes of owners that are gone are settled by comparing contents, too.
    if (quiet.intents.length > 0) return postponed('it is not settled');
    const verdict = judge(await observe(quiet, virtualStorage, barrierLookLimitMs, options));
    return conclude(quiet, barrier, verdict, options);
  });
  return outcome.kind === 'busy' ? postponed(outcome.reason) : outcome.value;
}

async function conclude(
  quiet: RepositoryRecord,
  barrier: Barrier,
  verdict: Verdict,
  options: VerifierOptions,
): Promise<Verification> {
  switch (verdict.kind) {
    case 'equal':
      return unlessUnseen(verdict.unseen);
    case 'unseen':
      return postponed(verdict.reason);
    case 'undecidable':
      return verdict;
    case 'flawed':
      return letFallBehind(quiet, barrier, verdict, options);
    default:
      return assertNever(verdict);
  }
}

async function letFallBehind(
  quiet: RepositoryRecord,
  barrier: Barrier,
  { kept, flaws, unseen }: Extract<Verdict, { kind: 'flawed' }>,
  { view, logger, metrics }: VerifierOptions,
): Promise<Verification> {
  const different = [...flaws].flatMap(([name, flaw]) => (flaw === 'different' ? [name] : []));
  const empty = [...flaws.keys()].filter((name) => !different.includes(name));
  const { lsn } = quiet;
  const changed = await view.change(quiet, (current) =>
    leaveBehind(current, { barrier, lsn, kept, different, empty }),
  );
  if (changed.kind === 'removed') return { kind: 'gone' };
  if (changed.kind === 'refused') return postponed(`it has changed: ${changed.reason}`);
  const { id, virtualStorage, relativePath } = quiet;
  logger.warn(
    { id, virtualStorage, relativePath, dropped: Object.fromEntries(flaws), kept },
    'replicas that were not what they should be fell behind',
  );
  for (const [storage, flaw] of flaws) metrics.leftBehind(virtualStorage, storage, flaw);
  await view.departuresKnown(changed.record);
  return { kind: 'leftBehind', flaws, unseen };
}

/** What each in-sync replica is like now. */
async function observe(
  record: RepositoryRecord,
  virtualStorage: VirtualStorage,
  limitMs: number,
  { metrics }: VerifierOptions,
): Promise<ReadonlyMap<string, Observation>> {
  const { replicaPath } = record;
  const nodes = virtualStorage.nodes();
  const observed = await Promise.all(
    inSyncVoters(record).map(async (storage): Promise<readonly [string, Observation]> => {
      if (!isHealthy(nodes, storage)) return [storage, unknown('it cannot be reached')];
      if (virtualStorage.isBusy(storage)) return [storage, unknown('it is busy')];
      metrics.verificationStarted(virtualStorage.name, storage);
      const seen = await look(storage, replicaPath, virtualStorage, limitMs);
      metrics.verificationEnded(virtualStorage.name, storage, results[seen.kind]);
      return [storage, seen];
    }),
  );
  return new Map(observed);
}

const results = {
  present: 'valid',
  missing: 'invalid',
  damaged: 'invalid',
  unknown: 'error',
} as const satisfies Record<Observation['kind'], string>;

async function look(
  storage: string,
  replicaPath: string,
  virtualStorage: VirtualStorage,
  limitMs: number,
): Promise<Observation> {
  const control = virtualStorage.control(storage);
  try {
    if (!(await control.exists(replicaPath, limitMs))) return { kind: 'missing' };
    return { kind: 'present', checksum: await control.checksum(replicaPath, limitMs) };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    const { INTERNAL, DATA_LOSS } = statusCodes;
    const isDamaged = error.code === INTERNAL || error.code === DATA_LOSS;
    return isDamaged ? { kind: 'damaged', reason: error.message } : unknown(error.message);
  }
}

/** It may exist on some storages only. */
function isBeingMade({ intents }: RepositoryRecord): boolean {
  return intents.some(({ kind }) => kind === 'creation');
}

function unlessUnseen(unseen: readonly string[]): Verification {
  if (unseen.length === 0) return { kind: 'verified' };
  return postponed(`not seen: ${unseen.join(', ')}`);
}

function unknown(reason: string): Observation {
  return { kind: 'unknown', reason };
}

function postponed(reason: string): Verification {
  return { kind: 'postponed', reason };
}
