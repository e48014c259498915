import { statusCodes } from '../../rpc/status.ts';
import { placeRepository } from '../routing/route.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { RelayContext } from './context.ts';
import { LocalCallError } from './local-method.ts';

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
  const { store, view, owner, random } = context;
  const placement = placeRepository(virtualStorage.nodes(), virtualStorage.policy, random);
  if (placement.kind === 'unavailable') {
    throw new LocalCallError(statusCodes.UNAVAILABLE, placement.reason);
  }
  const { primary, voters, absent } = placement;
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
