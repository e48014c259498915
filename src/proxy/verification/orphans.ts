import { sleep, type Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore } from '../store/control-store.ts';
import type { FoundRepository } from '../upstream/control-calls.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';

/** A repository on a storage's disk that no record has there. */
export interface Orphan {
  /** On the storage. */
  readonly path: string;
  /** Milliseconds since 1970-01-01 UTC; undefined if the storage does not tell. */
  readonly modifiedAtMs: number | undefined;
  /** Why it is not to be removed; undefined if it may be. */
  readonly keptBecause: string | undefined;
}

export interface OrphansOptions {
  readonly store: Pick<ControlStore, 'getById' | 'getMany' | 'nextRepositoryId'>;
  readonly virtualStorage: VirtualStorage;
  readonly storage: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Somebody may still be at work on what is younger. */
const minAgeMs = 24 * 3_600_000;
const pageSize = 200;
/** Walking a large disk takes long. */
const walkLimitMs = 3_600_000;
/** Between two removals: the storage has other things to do. */
const removalPauseMs = 100;
const replicaPathForm = /^@cluster\/(repositories|pools)\/[0-9a-f]{2}\/[0-9a-f]{2}\/([0-9]{1,18})$/;

/**
 * Looks through a storage's disk for repositories that no record knows. Memory does not grow with their number.
 *
 * @throws UpstreamError if the storage cannot be looked through, StoreUnavailableError
 */
export async function* findOrphans(options: OrphansOptions): AsyncGenerator<Orphan> {
  const { virtualStorage, storage, store, signal } = options;
  // Every id that was ever given out is below this one.
  const freshId = await store.nextRepositoryId();
  let page: FoundRepository[] = [];
  for await (const found of virtualStorage.control(storage).walk(walkLimitMs)) {
    if (signal.aborted) return;
    page.push(found);
    if (page.length < pageSize) continue;
    yield* orphansAmong(page, freshId, options);
    page = [];
  }
  yield* orphansAmong(page, freshId, options);
}

async function* orphansAmong(
  page: readonly FoundRepository[],
  freshId: bigint,
  { store, virtualStorage, storage, clock }: OrphansOptions,
): AsyncGenerator<Orphan> {
  const ids = page.flatMap(({ path }) => idIn(path) ?? []);
  const records = ids.length === 0 ? [] : await store.getMany(ids);
  const byId = new Map(records.map((record) => [record.id, record]));
  const place = { virtualStorage: virtualStorage.name, storage };
  for (const found of page) {
    const judged = judgeFound(found, byId, { ...place, freshId, nowMs: clock.wallMs() });
    if (judged !== undefined) yield judged;
  }
}

/** What the decision about a folder depends on, besides it and the records. */
export interface OrphanCircumstances {
  readonly virtualStorage: string;
  readonly storage: string;
  /** Has never been given out, nor any after it. */
  readonly freshId: bigint;
  readonly nowMs: number;
}

/**
 * Decides whether a repository on a disk is an orphan, and whether it may be removed (pure). A record names each
 * replica before a storage gets it, and no id is given out twice: what has no record now never gets one.
 *
 * @returns undefined if it is a replica of a record
 */
export function judgeFound(
  { path, modifiedAtMs }: FoundRepository,
  records: ReadonlyMap<bigint, RepositoryRecord>,
  { virtualStorage, storage, freshId, nowMs }: OrphanCircumstances,
): Orphan | undefined {
  const orphan = (keptBecause: string | undefined): Orphan => ({ path, modifiedAtMs, keptBecause });
  const id = idIn(path);
  if (id === undefined) return orphan('no cluster of this kind has made it');
  const record = records.get(id);
  if (record !== undefined && record.replicaPath === path) {
    const isHere =
      record.virtualStorage === virtualStorage &&
      record.replicas.some((replica) => replica.storage === storage);
    return isHere ? undefined : orphan('a repository has this path, and no replica here');
  }
  if (record !== undefined) return orphan('a repository has this id, under another path');
  if (path.startsWith('@cluster/pools/')) return orphan('others may borrow from an object pool');
  if (id >= freshId) return orphan('its id was never given out: is the database an old copy?');
  if (modifiedAtMs === undefined) return orphan('nobody tells how old it is');
  return orphan(nowMs - modifiedAtMs < minAgeMs ? 'it was changed within the last day' : undefined);
}

/** The id in a path that this kind of cluster makes. */
function idIn(path: string): bigint | undefined {
  const [, , id] = replicaPathForm.exec(path) ?? [];
  return id === undefined ? undefined : BigInt(id);
}

/**
 * Removes orphans that may be removed, some a second, each after one more look at the record.
 *
 * @throws UpstreamError if the storage fails, StoreUnavailableError
 */
export async function* removeOrphans(
  options: OrphansOptions & { readonly logger: Logger },
): AsyncGenerator<Orphan & { readonly isRemoved: boolean }> {
  const { store, virtualStorage, storage, clock, logger } = options;
  for await (const orphan of findOrphans(options)) {
    const id = idIn(orphan.path);
    const isFree =
      orphan.keptBecause === undefined &&
      id !== undefined &&
      (await store.getById(id)) === undefined;
    if (!isFree) {
      yield { ...orphan, isRemoved: false };
      continue;
    }
    await virtualStorage.control(storage).remove(orphan.path);
    const { path: replicaPath } = orphan;
    const fields = { virtual_storage: virtualStorage.name, storage, replicaPath };
    logger.warn(fields, 'an orphan was removed');
    yield { ...orphan, isRemoved: true };
    await sleep(clock, removalPauseMs);
  }
}
