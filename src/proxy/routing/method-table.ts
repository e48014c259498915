import { answeredOnce, repositoryAccessors, repositoryMutators } from './methods.ts';

/** Field numbers from the request down to a Repository message. */
export type FieldPath = readonly number[];

/** What the proxy knows of a method. */
export interface MethodInfo {
  /** `/package.Service/Method`. */
  readonly name: string;
  readonly op: 'accessor' | 'mutator' | 'maintenance' | 'intercepted';
  readonly scope: 'repository' | 'storage' | 'partition' | 'none';
  /** Where the repository stands that the call acts on. */
  readonly target?: FieldPath;
  /** Where a second repository stands, in the same virtual storage. */
  readonly additional?: FieldPath;
  /** The target borrows from the second repository from then on, which has to be wherever it is. */
  readonly borrowsFromAdditional?: true;
  /**
   * Where the repository stands that the new one is a fork of. The storages ask for it under the
   * client's own name, in whatever virtual storage it is.
   */
  readonly forkedFrom?: FieldPath;
  /** Field of the request with the name of a storage. */
  readonly storageField?: number;
  /** The call makes the repository; `upsert`: or changes it if it is there. */
  readonly creates?: 'create' | 'upsert';
  /** Reads what differs a little between replicas: it goes to the primary as long as that can be reached. */
  readonly forcePrimary?: true;
  /** Of a read: its answer is one message. */
  readonly answersOnce?: true;
  /** A storage has an answer of its own about a repository that does not exist. */
  readonly answersForMissing?: true;
  /** Takes part in votes. */
  readonly transactional: boolean;
  /** False for methods that this version has never heard of. */
  readonly known: boolean;
}

const repositoryField: FieldPath = [1];
/** `ObjectPool.repository` is field 1. */
const poolField: FieldPath = [1, 1];
const headerField: FieldPath = [1, 1];

const forcedToPrimary: ReadonlySet<string> = new Set(['RepositorySize', 'GetObjectDirectorySize']);
/** A backup that runs over many repositories is to skip those that were never made. */
const answeringForMissing: ReadonlySet<string> = new Set(['BackupRepository']);
const creating: ReadonlyMap<string, 'create' | 'upsert'> = new Map([
  ['CreateRepository', 'create'],
  ['CreateFork', 'create'],
  ['CreateRepositoryFromBundle', 'create'],
  ['CreateRepositoryFromSnapshot', 'create'],
  ['CreateRepositoryFromURL', 'create'],
  ['ReplicateRepository', 'upsert'],
  ['RestoreRepository', 'upsert'],
]);

const once: ReadonlySet<string> = new Set(
  Object.entries(answeredOnce).flatMap(([service, names]) =>
    names.map((name) => `${service}/${name}`),
  ),
);

type Properties = Partial<Omit<MethodInfo, 'name' | 'known'>>;

function method(name: string, properties: Properties): MethodInfo {
  return {
    name: `/gitaly.${name}`,
    op: 'accessor',
    scope: 'repository',
    transactional: false,
    ...(once.has(name) && { answersOnce: true }),
    ...properties,
    known: true,
  };
}

function mutator(name: string, target: FieldPath, properties: Properties = {}): MethodInfo {
  return method(name, { op: 'mutator', target, transactional: true, ...properties });
}

function storageAccessor(name: string, field?: number): MethodInfo {
  return method(name, {
    scope: 'storage',
    ...(field === undefined ? {} : { storageField: field }),
  });
}

function storageMutator(name: string, field?: number): MethodInfo {
  return { ...storageAccessor(name, field), op: 'mutator' };
}

function intercepted(service: string, names: readonly string[]): readonly MethodInfo[] {
  return names.map((name) => method(`${service}/${name}`, { op: 'intercepted', scope: 'none' }));
}

const accessors = Object.entries(repositoryAccessors).flatMap(([service, names]) =>
  names.map((name) =>
    method(`${service}/${name}`, {
      target: repositoryField,
      ...(forcedToPrimary.has(name) ? { forcePrimary: true } : {}),
      ...(answeringForMissing.has(name) ? { answersForMissing: true } : {}),
    }),
  ),
);

const mutators = Object.entries(repositoryMutators).flatMap(([service, names]) =>
  names.map((name) => {
    const creates = creating.get(name);
    return mutator(`${service}/${name}`, repositoryField, {
      ...(creates === undefined ? {} : { creates }),
      ...(name === 'CreateFork' ? { forkedFrom: [2] } : {}),
    });
  }),
);

const others: readonly MethodInfo[] = [
  mutator('ConflictsService/ResolveConflicts', headerField),
  mutator('OperationService/UserCommitFiles', headerField),
  mutator('OperationService/UserRebaseConfirmable', headerField),
  mutator('OperationService/UserApplyPatch', headerField),
  mutator('ObjectPoolService/CreateObjectPool', poolField, {
    additional: [2],
    creates: 'create',
    transactional: false,
  }),
  mutator('ObjectPoolService/DeleteObjectPool', poolField, { transactional: false }),
  mutator('ObjectPoolService/LinkRepositoryToObjectPool', [2], {
    additional: poolField,
    borrowsFromAdditional: true,
  }),
  mutator('ObjectPoolService/FetchIntoObjectPool', [2, 1], { additional: [1] }),
  method('RepositoryService/OptimizeRepository', { op: 'maintenance', target: repositoryField }),
  method('RepositoryService/PruneUnreachableObjects', {
    op: 'maintenance',
    target: repositoryField,
  }),
  storageAccessor('BackupService/WriteBackupID', 1),
  storageAccessor('BackupService/ReadLatestBackupID', 1),
  storageAccessor('InternalGitaly/WalkRepos', 1),
  storageAccessor('InternalGitaly/ScanPoolMetadata', 1),
  storageAccessor('InternalGitaly/ListPoolMetadata', 1),
  storageAccessor('InternalGitaly/ListPoolUpstreams', 1),
  storageMutator('InternalGitaly/StorePoolMetadata', 1),
  storageAccessor('PartitionService/ListPartitions', 1),
  storageAccessor('RemoteService/FindRemoteRepository', 2),
  storageAccessor('RaftService/GetPartitions'),
  storageAccessor('RaftService/GetClusterInfo'),
  storageMutator('RaftService/SendMessage'),
  storageMutator('RaftService/SendSnapshot'),
  storageMutator('RaftService/JoinCluster', 4),
  method('PartitionService/BackupPartition', { scope: 'partition', storageField: 1 }),
  ...intercepted('PraefectInfoService', [
    'RepositoryReplicas',
    'Dataloss',
    'SetAuthoritativeStorage',
    'MarkUnverified',
    'SetReplicationFactor',
    'GetRepositoryMetadata',
  ]),
  ...intercepted('RefTransaction', ['VoteTransaction', 'StopTransaction']),
  ...intercepted('ServerService', [
    'ServerInfo',
    'DiskStatistics',
    'ReadinessCheck',
    'ServerSignature',
  ]),
];

/** Every method of Gitaly that this version knows. */
export const knownMethods: readonly MethodInfo[] = [...accessors, ...mutators, ...others];

const byName: ReadonlyMap<string, MethodInfo> = new Map(
  knownMethods.map((info) => [info.name, info]),
);

/** The two names in `/package.Service/Method`. */
export function splitMethod(path: string): { readonly service: string; readonly method: string } {
  const slash = path.indexOf('/', 1);
  if (slash < 0) return { service: '', method: path };
  return { service: path.slice(1, slash), method: path.slice(slash + 1) };
}

/**
 * What is known of a method. One that is not known may be of a newer Gitaly: it is taken for a write
 * to the repository at field 1, which is safe whatever it does.
 */
export function lookupMethod(name: string): MethodInfo {
  return (
    byName.get(name) ?? {
      name,
      op: 'mutator',
      scope: 'repository',
      target: repositoryField,
      transactional: true,
      known: false,
    }
  );
}
