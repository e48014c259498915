import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlCalls } from './control-calls.ts';

/** The storages of a virtual storage. */
interface Storages {
  control(storage: string): Pick<ControlCalls, 'remove'>;
}

/**
 * Removes what a repository that has no record any more left on its storages. Never rejects: what could not be
 * removed is harmless, and the log says where it is.
 */
export async function removeReplicas(
  { replicas, replicaPath }: Pick<RepositoryRecord, 'replicas' | 'replicaPath'>,
  storages: Storages,
  logger: Logger,
): Promise<void> {
  await Promise.all(
    replicas.map(async ({ storage }) => {
      try {
        await storages.control(storage).remove(replicaPath);
      } catch (error) {
        const fields = { storage, replicaPath, err: errorMessage(error) };
        logger.warn(fields, 'a replica was left behind');
      }
    }),
  );
}
