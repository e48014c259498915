import { sleep } from '../../base/clock.ts';
import { statusCodes } from '../../rpc/status.ts';
import { placeRepository, type PlacementRoute } from '../routing/route.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { RelayContext } from './context.ts';
import { LocalCallError } from './local-method.ts';

/** A creation waits at most this long for enough storages. */
const placementLimitMs = 5000;
const recheckMs = 25;

/**
 * Makes the record of a repository that is about to be created, with the intent of its creation:
 * until that is settled the repository does not exist for anybody else.
 *
 * @returns the record, or `exists`
 * @throws LocalCallError UNAVAILABLE if too few storages can be reached
 */
export async function beginCreation(
  key: RepositoryKey,
  transaction: string,
  virtualStorage: VirtualStorage,
  context: RelayContext,
  replicaPathOf: (id: bigint, relativePath: string) => string,
): Promise<RepositoryRecord | 'exists'> {
  const { store, view, owner } = context;
  const { primary, voters, absent } = await place(virtualStorage, context);
  const id = await store.nextRepositoryId();
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
  virtualStorage: VirtualStorage,
  { clock, random }: RelayContext,
): Promise<PlacementRoute & { readonly kind: 'place' }> {
  const giveUpAtMs = clock.monotonicMs() + placementLimitMs;
  for (;;) {
    const placement = placeRepository(virtualStorage.nodes(), virtualStorage.policy, random);
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
  await Promise.allSettled(
    record.replicas.map(({ storage }) =>
      virtualStorage.control(storage).remove(record.replicaPath),
    ),
  );
}
