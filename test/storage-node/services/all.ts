import type { Handler } from '../grpc/handler.ts';
import type { ServiceContext } from './context.ts';
import { getBlobHandler } from './blob.ts';
import { createForkHandler } from './create-fork.ts';
import { createRepositoryHandler } from './create-repository.ts';
import { deleteRefsHandler } from './delete-refs.ts';
import { findCommitHandler } from './find-commit.ts';
import { healthHandler } from './health.ts';
import { objectPoolHandlers } from './object-pools.ts';
import { refReadHandlers } from './refs.ts';
import { removeRepositoryHandler } from './remove-repository.ts';
import { repositoryReadHandlers } from './repository-reads.ts';
import { replicateRepositoryHandler } from './replicate-repository.ts';
import { serverHandlers } from './server-info.ts';
import { smartHttpHandlers } from './smart-http.ts';
import { sshReceivePackHandler } from './ssh-receive-pack.ts';
import { updateReferencesHandler } from './update-references.ts';
import { uploadPackHandlers } from './upload-pack.ts';
import { userBranchHandlers } from './user-branches.ts';
import { userCommitFilesHandler } from './user-commit-files.ts';
import { walkReposHandler } from './walk-repos.ts';
import { writeRefHandler } from './write-ref.ts';

/** Every method that a node serves. */
export function allHandlers(context: ServiceContext): Handler[] {
  return [
    healthHandler(),
    createRepositoryHandler(context),
    createForkHandler(context),
    removeRepositoryHandler(context),
    ...repositoryReadHandlers(context),
    writeRefHandler(context),
    ...refReadHandlers(context),
    updateReferencesHandler(context),
    deleteRefsHandler(context),
    findCommitHandler(context),
    getBlobHandler(context),
    ...userBranchHandlers(context),
    userCommitFilesHandler(context),
    sshReceivePackHandler(context),
    ...smartHttpHandlers(context),
    ...uploadPackHandlers(context),
    ...serverHandlers(context),
    walkReposHandler(context),
    replicateRepositoryHandler(context),
    ...objectPoolHandlers(context),
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
