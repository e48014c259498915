import { RepositoryService } from '../../gen/gitaly/repository_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError, unaryMethod, type LocalMethod } from '../relay/local-method.ts';
import { isBeingCreated } from '../relay/write-admission.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import { removeReplicas } from '../upstream/remove-replicas.ts';
import { keyOf } from './repository-key.ts';

/** Calls about the existence of repositories: the control store knows, no storage is asked. */
export function repositoryMethods(context: RelayContext): readonly LocalMethod[] {
  return [
    unaryMethod(RepositoryService.method.repositoryExists, async ({ repository }, { trace }) => {
      const key = keyOf(repository);
      trace.repositoryNamed(key);
      const record = await context.view.get(key);
      return { exists: record !== undefined && !isBeingCreated(record) };
    }),
    unaryMethod(RepositoryService.method.removeRepository, async ({ repository }, { trace }) => {
      const key = keyOf(repository);
      trace.repositoryNamed(key);
      const outcome = await removeRepository(key, context);
      if (outcome === 'missing') {
        throw new LocalCallError(statusCodes.NOT_FOUND, 'repository does not exist');
      }
      return {};
    }),
  ];
}

/**
 * Removes a repository: from the store first, so that it is gone for everybody at once, then from
 * the storages. One that cannot be reached keeps its replica, which nothing refers to any more.
 */
export async function removeRepository(
  key: RepositoryKey,
  context: RelayContext,
): Promise<'removed' | 'missing'> {
  const { view, store, storages, logger } = context;
  for (;;) {
    const record = await view.refresh(key);
    if (record === undefined || isBeingCreated(record)) return 'missing';
    const outcome = await store.remove(record);
    if (outcome.kind === 'stale') continue;
    await view.refresh(key);
    await view.settled(record.id, removalVersion(record));
    const virtualStorage = storages.get(key.virtualStorage);
    if (virtualStorage !== undefined) {
      await removeReplicas(record, virtualStorage, logger);
    }
    return 'removed';
  }
}

/** Proxies acknowledge a removal with at least the version that was removed. */
function removalVersion(record: RepositoryRecord): bigint {
  return record.version;
}
