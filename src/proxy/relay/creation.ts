import { sleep } from '../../base/clock.ts';
import { statusCodes } from '../../rpc/status.ts';
import { homeAmong } from '../routing/home.ts';
import { isDraining } from '../routing/node-view.ts';
import { placeBeside, placeRepository, type PlacementRoute } from '../routing/placement.ts';
import { primaryFirst } from '../routing/route.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import { removeReplicas } from '../upstream/remove-replicas.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { RelayContext } from './context.ts';
import { LocalCallError } from './local-method.ts';

/** A creation waits at most this long for enough storages. */
const placementLimitMs = 5000;
const recheckMs = 25;

export interface Creation {
  readonly key: RepositoryKey;
  /** Unique over all proxies and time. */
  readonly transaction: string;
  readonly virtualStorage: VirtualStorage;
  /** A repository that the new one shares objects with: it goes to the same storages. */
  readonly beside?: RepositoryRecord | undefined;
}

/**
 * Makes the record of a repository that is about to be created, with the intent of its creation:
 * until that is settled the repository does not exist for anybody else.
 *
 * @returns the record, or `exists`
 * @throws LocalCallError UNAVAILABLE if too few storages can be reached
 */
export async function beginCreation(
  creation: Creation,
  context: RelayContext,
): Promise<RepositoryRecord | 'exists'> {
  const { key, transaction } = creation;
  const { store, view, owner, replicaPathOf } = context;
  const placement = await place(creation, context);
  const id = await store.nextRepositoryId();
  const { absent } = placement;
  const home = homeAmong(id, [...placement.voters, ...absent]) ?? placement.primary;
  // Beside another one it begins where that one's primary is, and comes home with a later write.
  const beginsAtHome =
    creation.beside === undefined && !isDraining(creation.virtualStorage.nodes(), home);
  const voters = primaryFirst(placement.voters, beginsAtHome ? home : placement.primary);
  const [primary = placement.primary] = voters;
  const outcome = await store.create({
    id,
    ...key,
    replicaPath: replicaPathOf(id, key.relativePath),
    epoch: 1n,
    lsn: 0n,
    primary,
    replicas: [
      ...voters.map((storage) => ({ storage, lsn: 0n, role: 'voter' }) as const),
      ...absent.map((storage) => ({ storage, lsn: -1n, role: 'learner' }) as const),
    ],
    intents: [{ transaction, owner, kind: 'creation', epoch: 1n, voters }],
  });
  if (outcome.kind === 'exists') return 'exists';
  view.learn(outcome.record);
  return outcome.record;
}

/** Waits a little for storages that are just starting, as all do when a cluster is new. */
async function place(
  { virtualStorage, beside }: Creation,
  { clock, random, view }: RelayContext,
): Promise<PlacementRoute & { readonly kind: 'place' }> {
  const giveUpAtMs = clock.monotonicMs() + placementLimitMs;
  for (;;) {
    const nodes = virtualStorage.nodes();
    const { policy } = virtualStorage;
    const placement =
      beside === undefined
        ? placeRepository(nodes, policy, random)
        : placeBeside(view.latest(beside), nodes, policy);
    if (placement.kind === 'place') return placement;
    if (clock.monotonicMs() >= giveUpAtMs) {
      throw new LocalCallError(statusCodes.UNAVAILABLE, placement.reason);
    }
    await sleep(clock, recheckMs);
  }
}

/** Takes a creation back that came to nothing. What it left on the storages is removed too. */
export async function takeBackCreation(
  record: RepositoryRecord,
  virtualStorage: VirtualStorage,
  context: RelayContext,
): Promise<void> {
  const latest = await context.view.refresh(record);
  if (latest === undefined || latest.id !== record.id) return;
  const removed = await context.store.remove(latest);
  await context.view.refresh(record);
  if (removed.kind !== 'swapped') return;
  await removeReplicas(record, virtualStorage, context.logger);
}
