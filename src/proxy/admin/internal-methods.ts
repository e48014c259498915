import type { MessageInitShape } from '@bufbuild/protobuf';
import { InternalGitaly, type WalkReposResponseSchema } from '../../gen/gitaly/internal_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError, streamingMethod, type LocalMethod } from '../relay/local-method.ts';
import { isBeingCreated } from '../relay/write-admission.ts';
import { allRepositories } from './all-repositories.ts';

/** InternalGitaly, for the virtual storages. */
export function internalMethods(
  context: Pick<RelayContext, 'store' | 'storages'>,
): readonly LocalMethod[] {
  return [
    streamingMethod(InternalGitaly.method.walkRepos, ({ storageName }) =>
      walkRepositories(storageName, context),
    ),
  ];
}

/**
 * Every repository of a virtual storage, by the path that GitLab knows. The store is asked: no storage
 * holds them all, and each has them under another path. It does not know when one was last changed.
 */
async function* walkRepositories(
  virtualStorage: string,
  { store, storages }: Pick<RelayContext, 'store' | 'storages'>,
): AsyncIterable<MessageInitShape<typeof WalkReposResponseSchema>> {
  if (virtualStorage === '') throw invalid('storage name not set');
  // An empty list for a name that is misspelt would say that every repository on disk can go.
  if (storages.get(virtualStorage) === undefined) throw invalid('virtual storage does not exist');
  for await (const record of allRepositories(store, { virtualStorage })) {
    if (!isBeingCreated(record)) yield { relativePath: record.relativePath };
  }
}

function invalid(message: string): LocalCallError {
  return new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
}
