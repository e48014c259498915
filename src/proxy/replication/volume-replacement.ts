import { isHealthy, type NodeView } from '../routing/node-view.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore } from '../store/control-store.ts';
import type { StorageIdentity } from '../store/storage-identity.ts';
import { giveUpReplica, replaced } from '../transactions/lost-volume.ts';
import type { RepositoryView } from '../view/repository-view.ts';

export interface VolumeReplacementOptions {
  readonly store: Pick<ControlStore, 'list' | 'getIdentity' | 'putIdentity'>;
  readonly view: Pick<RepositoryView, 'change' | 'settled'>;
  readonly storages: { get(virtualStorage: string): { nodes(): NodeView } | undefined };
  /** It ends before the next page of records. */
  readonly signal: AbortSignal;
  /** A person says that the new volume is right: what is in sync nowhere else is taken as it is there. */
  readonly keepsTheRest?: boolean;
  /** Told how many replicas of a page were given up. */
  onGivenUp(replicas: number): void;
}

export type ReplacementOutcome =
  /** The storage may be used with its new volume. It holds nothing yet, but for `kept` repositories. */
  | { readonly kind: 'replaced'; readonly kept: number }
  /** It may be the only one that holds this many repositories. A person has to decide. */
  | { readonly kind: 'kept'; readonly repositories: number }
  /** The old volume came back, another proxy was faster, or this one stops. */
  | { readonly kind: 'calledOff' };

const pageSize = 200;
const parallel = 8;

/**
 * Lets the volume `identity.replacement` take the place of the one that the records speak of. Any
 * number of proxies may do so at the same time, and each may stand still in between.
 *
 * 1. Each replica on the storage is given up, by compare-and-swap of its record, if another one is in
 *    sync and can be reached.
 * 2. Again from the beginning, until a whole look finds no replica that is left.
 * 3. Wait until every live proxy has heard of it: until then one may take a replica for in sync.
 * 4. The new volume is recorded, if `identity` still stands. Only then the storage gets calls, and its
 *    replicas are repaired like all that hold nothing.
 *
 * While `identity` stands no replica on the storage can become in sync: the volume that it shows
 * gets no calls, and the old one would have changed `identity` before it gets any.
 *
 * @throws StoreUnavailableError if the store does not answer: begin again later
 */
export async function replaceVolume(
  identity: StorageIdentity,
  options: VolumeReplacementOptions,
): Promise<ReplacementOutcome> {
  for (;;) {
    const look = await giveUpAll(identity, options);
    if (look === 'calledOff') return { kind: 'calledOff' };
    if (look.kept > 0 && options.keepsTheRest !== true) {
      return { kind: 'kept', repositories: look.kept };
    }
    if (look.givenUp > 0 || !(await allHaveHeard(look.example, options))) continue;
    const isDone = await options.store.putIdentity(replaced(identity));
    return isDone ? { kind: 'replaced', kept: look.kept } : { kind: 'calledOff' };
  }
}

interface Look {
  readonly givenUp: number;
  readonly kept: number;
  /** A repository with a replica on the storage that holds nothing. */
  readonly example: RepositoryRecord | undefined;
}

async function giveUpAll(
  identity: StorageIdentity,
  options: VolumeReplacementOptions,
): Promise<Look | 'calledOff'> {
  const { store, signal, onGivenUp } = options;
  const { virtualStorage, storage } = identity;
  let kept = 0;
  let givenUp = 0;
  let example: RepositoryRecord | undefined;
  for (let afterId = 0n; ;) {
    const page = await store.list({ virtualStorage, afterId, limit: pageSize });
    // After the page was read: what is repaired on the new volume is not to be given up again.
    if (signal.aborted || !(await stands(identity, options))) return 'calledOff';
    const outcomes = await inParallel(page.filter(isOn(storage)), (record) =>
      giveUp(record, storage, options),
    );
    const changed = outcomes.filter(({ kind }) => kind === 'givenUp').length;
    kept += outcomes.filter(({ kind }) => kind === 'kept').length;
    givenUp += changed;
    example = outcomes.find(({ kind }) => kind !== 'kept')?.record ?? example;
    if (changed > 0) onGivenUp(changed);
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return { givenUp, kept, example };
    afterId = last.id;
  }
}

function isOn(storage: string): (record: RepositoryRecord) => boolean {
  return ({ replicas }) => replicas.some((replica) => replica.storage === storage);
}

interface GivenUp {
  readonly kind: 'givenUp' | 'kept' | 'heldNothing';
  /** Undefined if it was removed. */
  readonly record?: RepositoryRecord;
}

async function giveUp(
  record: RepositoryRecord,
  storage: string,
  { view, storages }: VolumeReplacementOptions,
): Promise<GivenUp> {
  const nodes = storages.get(record.virtualStorage)?.nodes() ?? new Map();
  const outcome = await view.change(record, (current) =>
    giveUpReplica(current, storage, (other) => isHealthy(nodes, other)),
  );
  if (outcome.kind === 'changed') return { kind: 'givenUp', record: outcome.record };
  if (outcome.kind === 'removed') return { kind: 'heldNothing' };
  const kind = outcome.reason === 'noOther' ? 'kept' : 'heldNothing';
  return { kind, record: outcome.record };
}

/** Whether nobody has changed the identity meanwhile. */
async function stands(
  identity: StorageIdentity,
  { store }: VolumeReplacementOptions,
): Promise<boolean> {
  return (await store.getIdentity(identity))?.version === identity.version;
}

/**
 * Waits until no live proxy goes by a record from before all replicas were given up. They hear of
 * changes in order: who takes note of one that is made now has heard of all before.
 *
 * @returns false if `example` was removed meanwhile: take another one
 */
async function allHaveHeard(
  example: RepositoryRecord | undefined,
  { view }: VolumeReplacementOptions,
): Promise<boolean> {
  if (example === undefined) return true;
  const touched = await view.change(example, (current) => ({ kind: 'change', next: current }));
  if (touched.kind !== 'changed') return false;
  await view.settled(touched.record.id, touched.record.version);
  return true;
}

/** Some at a time, in order. */
async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += parallel) {
    results.push(...(await Promise.all(items.slice(start, start + parallel).map(work))));
  }
  return results;
}
