import { createRepository, type CreationOptions } from '../git/creation.ts';
import type { FetchSource } from '../git/fetch-source.ts';
import { synchronizeReferences } from '../git/synchronize-references.ts';
import type { CallContext } from '../grpc/server-call.ts';
import type { ServiceContext } from './context.ts';

/** Creates a repository with references of one on another node. Votes as every creation does. */
export async function createFromSource(
  context: ServiceContext,
  call: CallContext,
  source: FetchSource,
  options: Pick<CreationOptions, 'repository' | 'branch' | 'objectFormat'> & {
    /** Whether a reference is wanted. Default: all are. */
    include?(name: string): boolean;
  },
): Promise<void> {
  const { include, ...creation } = options;
  const { git, storages } = context;
  const { signal } = call;
  await createRepository({
    ...creation,
    git,
    storages,
    transaction: context.transactionOf(call),
    signal,
    seed: (repository) =>
      synchronizeReferences({ git, repository, source, signal, ...(include && { include }) }),
  });
}
