/** One method of Gitaly 18.9, as its protocol declares it and as Praefect treats it. */
export interface MethodRow {
  /** Like `RefService/FindTag`. */
  readonly name: string;
  readonly op: string;
  readonly scope: string;
  /** `local`: the proxy answers it itself. */
  readonly served: 'local' | 'forwarded';
  /** Field numbers down to the repository, and to the second one. */
  readonly target: readonly number[] | undefined;
  readonly additional: readonly number[] | undefined;
  readonly forkedFrom: readonly number[] | undefined;
  /** Field with the name of a storage. */
  readonly storageField: number | undefined;
  /**
   * `votes`, `creates`, `upserts`; `primary`: only the primary may answer; `missing`: a storage answers also
   * for a repository that does not exist; `borrows`: from the second repository, from then on; `once`: a read
   * whose answer is one message.
   */
  readonly notes: ReadonlySet<string>;
}

/**
 * All methods, written out one by one, so that nothing in the product's table is taken for right because it
 * follows from another entry. Sources: the options in Gitaly's `.proto` files, and what Praefect does not
 * leave to Gitaly. `target=1.1` is field 1 of the message in field 1.
 */
const text = `
AnalysisService/CheckBlobsGenerated            accessor    repository forwarded target=1
BackupService/WriteBackupID                    accessor    storage    forwarded storage=1 once
BackupService/ReadLatestBackupID               accessor    storage    forwarded storage=1 once
BlobService/GetBlob                            accessor    repository forwarded target=1
BlobService/GetBlobs                           accessor    repository forwarded target=1
BlobService/ListBlobs                          accessor    repository forwarded target=1
BlobService/ListAllBlobs                       accessor    repository forwarded target=1
BlobService/GetLFSPointers                     accessor    repository forwarded target=1
BlobService/ListLFSPointers                    accessor    repository forwarded target=1
BlobService/ListAllLFSPointers                 accessor    repository forwarded target=1
CleanupService/ApplyBfgObjectMapStream         mutator     repository forwarded target=1 votes
CleanupService/RewriteHistory                  mutator     repository forwarded target=1 votes
CommitService/ListCommits                      accessor    repository forwarded target=1
CommitService/ListAllCommits                   accessor    repository forwarded target=1
CommitService/CommitIsAncestor                 accessor    repository forwarded target=1 once
CommitService/TreeEntry                        accessor    repository forwarded target=1
CommitService/CountCommits                     accessor    repository forwarded target=1 once
CommitService/CountDivergingCommits            accessor    repository forwarded target=1 once
CommitService/GetTreeEntries                   accessor    repository forwarded target=1
CommitService/ListFiles                        accessor    repository forwarded target=1
CommitService/FindCommit                       accessor    repository forwarded target=1 once
CommitService/CommitStats                      accessor    repository forwarded target=1 once
CommitService/FindAllCommits                   accessor    repository forwarded target=1
CommitService/FindCommits                      accessor    repository forwarded target=1
CommitService/CommitLanguages                  mutator     repository forwarded target=1 votes
CommitService/RawBlame                         accessor    repository forwarded target=1
CommitService/LastCommitForPath                accessor    repository forwarded target=1 once
CommitService/ListLastCommitsForTree           accessor    repository forwarded target=1
CommitService/CommitsByMessage                 accessor    repository forwarded target=1
CommitService/ListCommitsByOid                 accessor    repository forwarded target=1
CommitService/ListCommitsByRefName             accessor    repository forwarded target=1
CommitService/FilterShasWithSignatures         accessor    repository forwarded target=1
CommitService/GetCommitSignatures              accessor    repository forwarded target=1
CommitService/GetCommitMessages                accessor    repository forwarded target=1
CommitService/CheckObjectsExist                accessor    repository forwarded target=1
ConflictsService/ListConflictFiles             accessor    repository forwarded target=1
ConflictsService/ResolveConflicts              mutator     repository forwarded target=1.1 votes
DiffService/CommitDiff                         accessor    repository forwarded target=1
DiffService/CommitDelta                        accessor    repository forwarded target=1
DiffService/RawDiff                            accessor    repository forwarded target=1
DiffService/RawPatch                           accessor    repository forwarded target=1
DiffService/DiffStats                          accessor    repository forwarded target=1
DiffService/FindChangedPaths                   accessor    repository forwarded target=1
DiffService/GetPatchID                         accessor    repository forwarded target=1 once
DiffService/RawRangeDiff                       accessor    repository forwarded target=1
DiffService/RangeDiff                          accessor    repository forwarded target=1
DiffService/DiffBlobs                          accessor    repository forwarded target=1
HookService/PreReceiveHook                     accessor    repository forwarded target=1
HookService/PostReceiveHook                    accessor    repository forwarded target=1
HookService/UpdateHook                         accessor    repository forwarded target=1
HookService/ReferenceTransactionHook           accessor    repository forwarded target=1
HookService/PackObjectsHookWithSidechannel     accessor    repository forwarded target=1 once
HookService/ProcReceiveHook                    mutator     repository forwarded target=1 votes
InternalGitaly/WalkRepos                       accessor    storage    local     storage=1
InternalGitaly/ScanPoolMetadata                accessor    storage    forwarded storage=1
InternalGitaly/StorePoolMetadata               mutator     storage    forwarded storage=1
InternalGitaly/ListPoolMetadata                accessor    storage    forwarded storage=1
InternalGitaly/ListPoolUpstreams               accessor    storage    forwarded storage=1
ObjectPoolService/CreateObjectPool             mutator     repository forwarded target=1.1 additional=2 creates
ObjectPoolService/DeleteObjectPool             mutator     repository local     target=1.1
ObjectPoolService/LinkRepositoryToObjectPool   mutator     repository forwarded target=2 additional=1.1 votes borrows
ObjectPoolService/DisconnectGitAlternates      mutator     repository forwarded target=1 votes
ObjectPoolService/FetchIntoObjectPool          mutator     repository forwarded target=2.1 additional=1 votes
ObjectPoolService/GetObjectPool                accessor    repository local     target=1 once
OperationService/UserCreateBranch              mutator     repository forwarded target=1 votes
OperationService/UserUpdateBranch              mutator     repository forwarded target=1 votes
OperationService/UserDeleteBranch              mutator     repository forwarded target=1 votes
OperationService/UserCreateTag                 mutator     repository forwarded target=1 votes
OperationService/UserDeleteTag                 mutator     repository forwarded target=1 votes
OperationService/UserMergeToRef                mutator     repository forwarded target=1 votes
OperationService/UserRebaseToRef               mutator     repository forwarded target=1 votes
OperationService/UserMergeBranch               mutator     repository forwarded target=1 votes
OperationService/UserFFBranch                  mutator     repository forwarded target=1 votes
OperationService/UserCherryPick                mutator     repository forwarded target=1 votes
OperationService/UserCommitFiles               mutator     repository forwarded target=1.1 votes
OperationService/UserRebaseConfirmable         mutator     repository forwarded target=1.1 votes
OperationService/UserRevert                    mutator     repository forwarded target=1 votes
OperationService/UserSquash                    mutator     repository forwarded target=1 votes
OperationService/UserApplyPatch                mutator     repository forwarded target=1.1 votes
OperationService/UserUpdateSubmodule           mutator     repository forwarded target=1 votes
PartitionService/BackupPartition               accessor    partition  forwarded storage=1 once
PartitionService/ListPartitions                accessor    storage    forwarded storage=1 once
PraefectInfoService/RepositoryReplicas         intercepted none       local
PraefectInfoService/Dataloss                   intercepted none       local
PraefectInfoService/SetAuthoritativeStorage    intercepted none       local
PraefectInfoService/MarkUnverified             intercepted none       local
PraefectInfoService/SetReplicationFactor       intercepted none       local
PraefectInfoService/GetRepositoryMetadata      intercepted none       local
RaftService/SendMessage                        mutator     storage    forwarded
RaftService/SendSnapshot                       mutator     storage    forwarded
RaftService/JoinCluster                        mutator     storage    forwarded storage=4
RaftService/GetPartitions                      accessor    storage    forwarded
RaftService/GetClusterInfo                     accessor    storage    forwarded once
RefService/FindDefaultBranchName               accessor    repository forwarded target=1 once
RefService/FindLocalBranches                   accessor    repository forwarded target=1
RefService/FindAllBranches                     accessor    repository forwarded target=1
RefService/FindAllTags                         accessor    repository forwarded target=1
RefService/FindTag                             accessor    repository forwarded target=1 once
RefService/FindAllRemoteBranches               accessor    repository forwarded target=1
RefService/RefExists                           accessor    repository forwarded target=1 once
RefService/FindBranch                          accessor    repository forwarded target=1 once
RefService/UpdateReferences                    mutator     repository forwarded target=1 votes
RefService/DeleteRefs                          mutator     repository forwarded target=1 votes
RefService/ListBranchNamesContainingCommit     accessor    repository forwarded target=1
RefService/ListTagNamesContainingCommit        accessor    repository forwarded target=1
RefService/GetTagSignatures                    accessor    repository forwarded target=1
RefService/GetTagMessages                      accessor    repository forwarded target=1
RefService/ListRefs                            accessor    repository forwarded target=1
RefService/FindRefsByOID                       accessor    repository forwarded target=1 once
RefTransaction/VoteTransaction                 intercepted none       local
RefTransaction/StopTransaction                 intercepted none       local
RemoteService/UpdateRemoteMirror               accessor    repository forwarded target=1 once
RemoteService/FindRemoteRepository             accessor    storage    forwarded storage=2 once
RemoteService/FindRemoteRootRef                accessor    repository forwarded target=1 once
RepositoryService/RepositoryExists             accessor    repository local     target=1 once
RepositoryService/RepositorySize               accessor    repository forwarded target=1 primary once
RepositoryService/RepositoryInfo               accessor    repository forwarded target=1 once
RepositoryService/ObjectsSize                  accessor    repository forwarded target=1 once
RepositoryService/ObjectFormat                 accessor    repository forwarded target=1 once
RepositoryService/FetchRemote                  mutator     repository forwarded target=1 votes
RepositoryService/CreateRepository             mutator     repository forwarded target=1 votes creates
RepositoryService/GetArchive                   accessor    repository forwarded target=1
RepositoryService/HasLocalBranches             accessor    repository forwarded target=1 once
RepositoryService/FetchSourceBranch            mutator     repository forwarded target=1 votes
RepositoryService/Fsck                         accessor    repository forwarded target=1 once
RepositoryService/WriteRef                     mutator     repository forwarded target=1 votes
RepositoryService/FindMergeBase                accessor    repository forwarded target=1 once
RepositoryService/CreateFork                   mutator     repository forwarded target=1 forkedFrom=2 votes creates
RepositoryService/CreateRepositoryFromURL      mutator     repository forwarded target=1 votes creates
RepositoryService/CreateBundle                 accessor    repository forwarded target=1
RepositoryService/CreateBundleFromRefList      accessor    repository forwarded target=1
RepositoryService/GenerateBundleURI            accessor    repository forwarded target=1 once
RepositoryService/FetchBundle                  mutator     repository forwarded target=1 votes
RepositoryService/CreateRepositoryFromBundle   mutator     repository forwarded target=1 votes creates
RepositoryService/GetConfig                    accessor    repository forwarded target=1
RepositoryService/FindLicense                  accessor    repository forwarded target=1 once
RepositoryService/GetInfoAttributes            accessor    repository forwarded target=1
RepositoryService/CalculateChecksum            accessor    repository forwarded target=1 once
RepositoryService/GetSnapshot                  accessor    repository forwarded target=1
RepositoryService/CreateRepositoryFromSnapshot mutator     repository forwarded target=1 votes creates
RepositoryService/GetRawChanges                accessor    repository forwarded target=1
RepositoryService/SearchFilesByContent         accessor    repository forwarded target=1
RepositoryService/SearchFilesByName            accessor    repository forwarded target=1
RepositoryService/RestoreCustomHooks           mutator     repository forwarded target=1 votes
RepositoryService/SetCustomHooks               mutator     repository forwarded target=1 votes
RepositoryService/BackupCustomHooks            accessor    repository forwarded target=1
RepositoryService/GetCustomHooks               accessor    repository forwarded target=1
RepositoryService/GetObjectDirectorySize       accessor    repository forwarded target=1 primary once
RepositoryService/RemoveRepository             mutator     repository local     target=1 votes
RepositoryService/ReplicateRepository          mutator     repository forwarded target=1 votes upserts
RepositoryService/OptimizeRepository           maintenance repository forwarded target=1
RepositoryService/PruneUnreachableObjects      maintenance repository forwarded target=1
RepositoryService/BackupRepository             accessor    repository forwarded target=1 missing once
RepositoryService/RestoreRepository            mutator     repository forwarded target=1 votes upserts
RepositoryService/GetFileAttributes            accessor    repository forwarded target=1 once
RepositoryService/FastExport                   accessor    repository forwarded target=1
RepositoryService/MigrateReferenceBackend      mutator     repository forwarded target=1 votes
SSHService/SSHUploadPackWithSidechannel        accessor    repository forwarded target=1 once
SSHService/SSHReceivePack                      mutator     repository forwarded target=1 votes
SSHService/SSHUploadArchive                    accessor    repository forwarded target=1
ServerService/ServerInfo                       intercepted none       local
ServerService/DiskStatistics                   intercepted none       local
ServerService/ReadinessCheck                   intercepted none       local
ServerService/ServerSignature                  intercepted none       local
SmartHTTPService/InfoRefsUploadPack            accessor    repository forwarded target=1
SmartHTTPService/InfoRefsReceivePack           accessor    repository forwarded target=1
SmartHTTPService/PostUploadPackWithSidechannel accessor    repository forwarded target=1 once
SmartHTTPService/PostReceivePack               mutator     repository forwarded target=1 votes
`;

export const methodRows: readonly MethodRow[] = text.trim().split('\n').map(parseRow);

function parseRow(line: string): MethodRow {
  const [name = '', op = '', scope = '', served = '', ...notes] = line.split(/ +/);
  if (served !== 'local' && served !== 'forwarded') throw new Error(`a bad row: ${line}`);
  const path = (key: string) =>
    notes
      .find((note) => note.startsWith(`${key}=`))
      ?.slice(key.length + 1)
      .split('.')
      .map(Number);
  return {
    name,
    op,
    scope,
    served,
    target: path('target'),
    additional: path('additional'),
    forkedFrom: path('forkedFrom'),
    storageField: path('storage')?.[0],
    notes: new Set(notes.filter((note) => !note.includes('='))),
  };
}
