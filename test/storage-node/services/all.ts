import type { Handler } from '../grpc/handler.ts';
import type { ServiceContext } from './context.ts';
import { createRepositoryHandler } from './create-repository.ts';
import { findCommitHandler } from './find-commit.ts';
import { healthHandler } from './health.ts';
import { removeRepositoryHandler } from './remove-repository.ts';
import { repositoryReadHandlers } from './repository-reads.ts';
import { sshReceivePackHandler } from './ssh-receive-pack.ts';
import { writeRefHandler } from './write-ref.ts';

/** Every method that a node serves. */
export function allHandlers(context: ServiceContext): Handler[] {
  return [
    healthHandler(),
    createRepositoryHandler(context),
    removeRepositoryHandler(context),
    ...repositoryReadHandlers(context),
    writeRefHandler(context),
    findCommitHandler(context),
    sshReceivePackHandler(context),
  ];
}

/** The services of Gitaly, also those of which nothing is served here. */
export const knownServices: ReadonlySet<string> = new Set(
  [
    'AnalysisService',
    'BackupService',
    'BlobService',
    'CleanupService',
    'CommitService',
    'ConflictsService',
    'DiffService',
    'HookService',
    'InternalGitaly',
    'ObjectPoolService',
    'OperationService',
    'PartitionService',
    'RaftService',
    'RefService',
    'RemoteService',
    'RepositoryService',
    'SSHService',
    'ServerService',
    'SmartHTTPService',
  ].map((name) => `gitaly.${name}`),
);
