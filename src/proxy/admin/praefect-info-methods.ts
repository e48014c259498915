import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import { assertNever } from '../../base/errors.ts';
import {
  PraefectInfoService,
  type GetRepositoryMetadataRequest,
  type GetRepositoryMetadataResponseSchema,
  type RepositoryReplicasResponse_RepositoryDetailsSchema,
  type RepositoryReplicasResponseSchema,
  type MarkUnverifiedRequest,
  type SetAuthoritativeStorageRequest,
} from '../../gen/gitaly/praefect_pb.ts';
import { statusCodes, toStatusCode } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import {
  LocalCallError,
  streamingMethod,
  unaryMethod,
  type LocalMethod,
} from '../relay/local-method.ts';
import { repositoryNotFound } from '../relay/target.ts';
import { isBeingCreated } from '../relay/write-admission.ts';
import { assignedStorages } from '../transactions/replica-count.ts';
import { acceptLoss } from '../replication/accept-loss.ts';
import { isHealthy } from '../routing/node-view.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import { findLosses } from './losses.ts';
import { setReplicationFactor } from './replication-factor.ts';
import { keyOf } from './repository-key.ts';

/**
 * PraefectInfoService: what Praefect's own tools ask, in its words. A generation is the LSN; a storage is assigned
 * when it has a replica, and a valid primary when that is in sync and can be reached.
 */
export function praefectInfoMethods(context: RelayContext): readonly LocalMethod[] {
  const { method } = PraefectInfoService;
  return [
    unaryMethod(method.repositoryReplicas, ({ repository }) =>
      compareReplicas(keyOf(repository), context),
    ),
    streamingMethod(method.dataloss, (request) => findLosses(request, context)),
    unaryMethod(method.setAuthoritativeStorage, async (request, { head, trace }) => {
      trace.repositoryNamed(request);
      const logger = context.logger.child({ correlation_id: head.correlationId });
      await setAuthoritativeStorage(request, { ...context, logger });
      return {};
    }),
    unaryMethod(method.markUnverified, async ({ selector }) => ({
      replicasMarked: BigInt(await markUnverified(selector, context)),
    })),
    unaryMethod(method.setReplicationFactor, async (request, { trace }) => {
      trace.virtualStorage = request.virtualStorage;
      trace.relativePath = request.relativePath;
      return { storages: [...(await setReplicationFactor(request, context))] };
    }),
    unaryMethod(method.getRepositoryMetadata, async ({ query }) =>
      describeVerified(await findRecord(query, context), context),
    ),
  ];
}

/** The checksum that each replica has now. Fails if a storage does not tell, as Praefect does. */
async function compareReplicas(
  key: RepositoryKey,
  { view, storages }: RelayContext,
): Promise<MessageInitShape<typeof RepositoryReplicasResponseSchema>> {
  const record = await view.refresh(key);
  const virtualStorage = storages.get(key.virtualStorage);
  if (record === undefined || virtualStorage === undefined || isBeingCreated(record)) {
    throw repositoryNotFound();
  }
  const others = assignedStorages(record).filter((name) => name !== record.primary);
  const [primary, ...replicas] = await Promise.all(
    [record.primary, ...others].map((name) => checksumAt(name, record, virtualStorage)),
  );
  return { ...(primary && { primary }), replicas };
}

async function checksumAt(
  storage: string,
  { replicaPath, relativePath }: RepositoryRecord,
  virtualStorage: VirtualStorage,
): Promise<MessageInitShape<typeof RepositoryReplicasResponse_RepositoryDetailsSchema>> {
  try {
    const checksum = await virtualStorage.control(storage).checksum(replicaPath);
    return { repository: { storageName: storage, relativePath }, checksum };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    throw new LocalCallError(toStatusCode(error.code), `storage ${storage}: ${error.message}`);
  }
}

async function setAuthoritativeStorage(
  request: SetAuthoritativeStorageRequest,
  context: RelayContext,
): Promise<void> {
  const { virtualStorage: name, relativePath, authoritativeStorage } = request;
  const virtualStorage = context.storages.get(name);
  if (virtualStorage === undefined) throw invalid(`unknown virtual storage: "${name}"`);
  if (!virtualStorage.nodes().has(authoritativeStorage)) {
    throw invalid(`unknown authoritative storage: "${authoritativeStorage}"`);
  }
  const record = await context.view.refresh({ virtualStorage: name, relativePath });
  if (record === undefined || isBeingCreated(record)) {
    throw invalid('repository does not exist on virtual storage');
  }
  const outcome = await acceptLoss(record, authoritativeStorage, { ...context, virtualStorage });
  switch (outcome.kind) {
    case 'done':
      // What nobody could tell is told now: it is looked at anew.
      await context.store.verifications.markUnverified({ kind: 'repository', id: record.id });
      return;
    case 'refused':
      throw new LocalCallError(statusCodes.FAILED_PRECONDITION, outcome.reason);
    case 'busy':
      throw new LocalCallError(statusCodes.UNAVAILABLE, `${outcome.reason}: try again`);
    default:
      assertNever(outcome);
  }
}

/** It is the turn of these repositories then, before all others. Returns the number of their replicas. */
async function markUnverified(
  selector: MarkUnverifiedRequest['selector'],
  { store, storages }: RelayContext,
): Promise<number> {
  const isServed = (name: string) => storages.get(name) !== undefined;
  const { verifications } = store;
  switch (selector.case) {
    case 'repositoryId':
      return verifications.markUnverified({ kind: 'repository', id: selector.value });
    case 'virtualStorage': {
      const virtualStorage = selector.value;
      if (!isServed(virtualStorage)) throw invalid(`unknown virtual storage: "${virtualStorage}"`);
      return verifications.markUnverified({ kind: 'virtualStorage', virtualStorage });
    }
    case 'storage': {
      const { virtualStorage, storage } = selector.value;
      if (!isServed(virtualStorage)) throw invalid(`unknown virtual storage: "${virtualStorage}"`);
      return verifications.markUnverified({ kind: 'storage', virtualStorage, storage });
    }
    case undefined:
      throw invalid('neither a repository nor a storage is given');
    default:
      return assertNever(selector);
  }
}

async function findRecord(
  query: GetRepositoryMetadataRequest['query'],
  { store, view }: RelayContext,
): Promise<RepositoryRecord> {
  if (query.case === undefined) throw invalid('neither an id nor a path is given');
  const record =
    query.case === 'path' ? await view.refresh(query.value) : await store.getById(query.value);
  if (record === undefined || isBeingCreated(record)) throw repositoryNotFound();
  return record;
}

async function describeVerified(
  record: RepositoryRecord,
  context: RelayContext,
): Promise<MessageInitShape<typeof GetRepositoryMetadataResponseSchema>> {
  const { verifiedAtMs } = (await context.store.verifications.get(record.id)) ?? {};
  const verifiedAt =
    verifiedAtMs === undefined ? {} : { verifiedAt: timestampFromMs(verifiedAtMs) };
  return describe(record, context, verifiedAt);
}

function describe(
  record: RepositoryRecord,
  { storages }: RelayContext,
  verified: { readonly verifiedAt?: Timestamp },
): MessageInitShape<typeof GetRepositoryMetadataResponseSchema> {
  const { id, virtualStorage, relativePath, replicaPath, primary, lsn } = record;
  const nodes = storages.get(virtualStorage)?.nodes() ?? new Map();
  const inSync = inSyncVoters(record);
  return {
    repositoryId: id,
    virtualStorage,
    relativePath,
    replicaPath,
    primary,
    generation: lsn,
    replicas: record.replicas.map((replica) => {
      const healthy = isHealthy(nodes, replica.storage);
      return {
        storage: replica.storage,
        assigned: replica.role !== 'leaving',
        generation: replica.lsn,
        healthy,
        validPrimary: healthy && inSync.includes(replica.storage),
        ...(inSync.includes(replica.storage) && verified),
      };
    }),
  };
}

function invalid(message: string): LocalCallError {
  return new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
}
