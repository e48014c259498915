import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  AdminService,
  type AcceptVolumeResponseSchema,
  type GetStatusResponseSchema,
  type RepositoryStatusSchema,
  type VirtualStorageStatusSchema,
} from '../../gen/gitaly_operator/v1/admin_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import {
  LocalCallError,
  streamingMethod,
  unaryMethod,
  type LocalMethod,
} from '../relay/local-method.ts';
import type { VolumeGuard } from '../replication/volume-guard.ts';
import { isInSync, type RepositoryRecord } from '../routing/repository-record.ts';
import { StoreUnavailableError, type StoreSummary } from '../store/control-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { allRepositories } from './all-repositories.ts';
import { summarize } from './summary.ts';

/** Carries out that a person takes another volume for right. */
export type VolumeAcceptance = Pick<VolumeGuard, 'accept'>;

/** AdminService: what the operator and people want to know of the cluster. */
export function adminMethods(
  context: RelayContext,
  volumes: VolumeAcceptance,
): readonly LocalMethod[] {
  return [
    unaryMethod(AdminService.method.getStatus, () => statusOf(context)),
    streamingMethod(AdminService.method.listRepositories, (request) =>
      listRepositories(context, request),
    ),
    unaryMethod(AdminService.method.acceptVolume, (request) =>
      acceptVolume(request, context, volumes),
    ),
  ];
}

async function acceptVolume(
  { virtualStorage, storage }: { readonly virtualStorage: string; readonly storage: string },
  { storages }: RelayContext,
  volumes: VolumeAcceptance,
): Promise<MessageInitShape<typeof AcceptVolumeResponseSchema>> {
  if (!storages.get(virtualStorage)?.nodes().has(storage)) {
    const message = `there is no storage ${storage} in a virtual storage ${virtualStorage}`;
    throw new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
  }
  const outcome = await volumes.accept({ virtualStorage, storage });
  if (outcome.kind === 'refused') {
    throw new LocalCallError(statusCodes.FAILED_PRECONDITION, outcome.reason);
  }
  return { kept: BigInt(outcome.kept) };
}

async function statusOf(
  context: RelayContext,
): Promise<MessageInitShape<typeof GetStatusResponseSchema>> {
  const { owner, storages } = context;
  try {
    const virtualStorages = await Promise.all(
      storages.all.map(async (virtualStorage) =>
        describe(virtualStorage, await summarize(virtualStorage, context.store)),
      ),
    );
    return { proxyId: owner, storeReachable: true, virtualStorages };
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    const virtualStorages = storages.all.map((virtualStorage) =>
      describe(virtualStorage, undefined),
    );
    return { proxyId: owner, storeReachable: false, virtualStorages };
  }
}

function describe(
  virtualStorage: VirtualStorage,
  summary: StoreSummary | undefined,
): MessageInitShape<typeof VirtualStorageStatusSchema> {
  return {
    name: virtualStorage.name,
    repositories: BigInt(summary?.repositories ?? 0),
    fullyReplicated: BigInt(summary?.fullyReplicated ?? 0),
    degraded: BigInt(summary?.degraded ?? 0),
    atRisk: BigInt(summary?.atRisk ?? 0),
    unavailable: BigInt(summary?.unavailable ?? 0),
    storages: [...virtualStorage.nodes().values()].map(({ storage, healthy, reason }) => {
      const counts = summary?.storages.get(storage);
      return {
        name: storage,
        healthy,
        healthReason: reason ?? '',
        replicas: BigInt(counts?.replicas ?? 0),
        inSync: BigInt(counts?.inSync ?? 0),
        primaries: BigInt(counts?.primaries ?? 0),
      };
    }),
  };
}

async function* listRepositories(
  context: RelayContext,
  filter: {
    readonly virtualStorage: string;
    readonly onlyDegraded: boolean;
    readonly relativePath: string;
  },
): AsyncIterable<MessageInitShape<typeof RepositoryStatusSchema>> {
  const { virtualStorage, relativePath, onlyDegraded } = filter;
  if (virtualStorage !== '' && relativePath !== '') {
    const record = await context.view.refresh({ virtualStorage, relativePath });
    if (record !== undefined) yield describeRepository(record);
    return;
  }
  const filtered = allRepositories(context.store, {
    onlyUnsettled: onlyDegraded,
    ...(virtualStorage === '' ? {} : { virtualStorage }),
  });
  for await (const record of filtered) {
    if (relativePath === '' || record.relativePath === relativePath)
      yield describeRepository(record);
  }
}

function describeRepository(
  record: RepositoryRecord,
): MessageInitShape<typeof RepositoryStatusSchema> {
  const { id, virtualStorage, relativePath, replicaPath, epoch, lsn, primary } = record;
  return {
    id,
    virtualStorage,
    relativePath,
    replicaPath,
    epoch,
    lsn,
    primary,
    intents: record.intents.length,
    replicas: record.replicas.map((replica) => ({
      ...replica,
      inSync: isInSync(record, replica.storage),
    })),
  };
}
