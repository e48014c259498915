import type { MessageInitShape } from '@bufbuild/protobuf';
import { assertNever } from '../../base/errors.ts';
import {
  AdminService,
  type AcceptVolumeResponseSchema,
  type GetStatusResponseSchema,
  type RepositoryStatusSchema,
  type StorageStatusSchema,
  type VerifyRepositoryResponseSchema,
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
import { repositoryNotFound } from '../relay/target.ts';
import type { VolumeGuard } from '../replication/volume-guard.ts';
import type { NodeStatus } from '../routing/node-view.ts';
import { isInSync, type RepositoryRecord } from '../routing/repository-record.ts';
import {
  StoreUnavailableError,
  type ControlStore,
  type RepositoryKey,
  type StoreSummary,
} from '../store/control-store.ts';
import { isSameStorage, type StorageKey } from '../store/storage-identity.ts';
import type { Finding, VerificationState } from '../store/verification-queue.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { VerificationLoop } from '../verification/verification-loop.ts';
import type { DrainProgress } from '../drain/drain-progress.ts';
import { allRepositories } from './all-repositories.ts';
import { describeDrain, drainsInProgress } from './drain-methods.ts';
import { listOrphans } from './orphan-methods.ts';
import { listPlacements } from './placement-methods.ts';
import { storageKeyOf } from './storage-key.ts';
import { describeWeight } from './storage-settings-methods.ts';
import { summarize } from './summary.ts';

const findingsPage = 200;

/** Carries out that a person takes another volume for right. */
export type VolumeAcceptance = Pick<VolumeGuard, 'accept'>;

/** Compares replicas out of turn. */
export type Verifications = Pick<VerificationLoop, 'verifyNow'>;

/** AdminService: what the operator and people want to know of the cluster. */
export function adminMethods(
  context: RelayContext,
  volumes: VolumeAcceptance,
  verification: Verifications,
): readonly LocalMethod[] {
  return [
    unaryMethod(AdminService.method.getStatus, () => statusOf(context)),
    streamingMethod(AdminService.method.listRepositories, (request) =>
      listRepositories(context, request),
    ),
    streamingMethod(AdminService.method.listPlacements, (request, signal) =>
      listPlacements(request, context, signal),
    ),
    unaryMethod(AdminService.method.verifyRepository, (request, { trace }) => {
      trace.virtualStorage = request.virtualStorage;
      trace.relativePath = request.relativePath;
      return verifyRepository(request, context, verification);
    }),
    streamingMethod(AdminService.method.findOrphans, (request, signal) =>
      listOrphans(request, context, signal),
    ),
    unaryMethod(AdminService.method.acceptVolume, (request) =>
      acceptVolume(request, context, volumes),
    ),
  ];
}

async function acceptVolume(
  request: StorageKey,
  { storages }: RelayContext,
  volumes: VolumeAcceptance,
): Promise<MessageInitShape<typeof AcceptVolumeResponseSchema>> {
  const outcome = await volumes.accept(storageKeyOf(request, storages));
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
    const drains = await drainsInProgress(context.store);
    const virtualStorages = await Promise.all(
      storages.all.map(async (virtualStorage) =>
        describe(virtualStorage, await countsOf(virtualStorage, context.store), drains),
      ),
    );
    return { proxyId: owner, storeReachable: true, virtualStorages };
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    const virtualStorages = storages.all.map((virtualStorage) =>
      describe(virtualStorage, undefined, []),
    );
    return { proxyId: owner, storeReachable: false, virtualStorages };
  }
}

type Counts = StoreSummary & { readonly undecided: number };

async function countsOf(virtualStorage: VirtualStorage, store: ControlStore): Promise<Counts> {
  const [summary, undecided] = await Promise.all([
    summarize(virtualStorage, store),
    store.verifications.countFindings(virtualStorage.name),
  ]);
  return { ...summary, undecided };
}

async function verifyRepository(
  key: RepositoryKey,
  { store }: RelayContext,
  verifications: Verifications,
): Promise<MessageInitShape<typeof VerifyRepositoryResponseSchema>> {
  const record = await store.get(key);
  const verification =
    record === undefined ? ({ kind: 'gone' } as const) : await verifications.verifyNow(record);
  switch (verification.kind) {
    case 'gone':
      throw repositoryNotFound();
    case 'verified':
      return { outcome: verification.kind };
    case 'leftBehind': {
      const flaws = [...verification.flaws].map(([storage, flaw]) => ({ storage, flaw }));
      return { outcome: verification.kind, flaws };
    }
    case 'undecidable':
      return { outcome: verification.kind, detail: verification.finding };
    case 'postponed':
      return { outcome: verification.kind, detail: verification.reason };
    default:
      return assertNever(verification);
  }
}

function describe(
  virtualStorage: VirtualStorage,
  summary: Counts | undefined,
  drains: readonly DrainProgress[],
): MessageInitShape<typeof VirtualStorageStatusSchema> {
  return {
    name: virtualStorage.name,
    repositories: BigInt(summary?.repositories ?? 0),
    fullyReplicated: BigInt(summary?.fullyReplicated ?? 0),
    degraded: BigInt(summary?.degraded ?? 0),
    atRisk: BigInt(summary?.atRisk ?? 0),
    unavailable: BigInt(summary?.unavailable ?? 0),
    undecided: BigInt(summary?.undecided ?? 0),
    storages: [...virtualStorage.nodes().values()].map((node) =>
      describeStorage(node, virtualStorage, summary, drains),
    ),
  };
}

function describeStorage(
  { storage, healthy, reason, zone = '' }: NodeStatus,
  virtualStorage: VirtualStorage,
  summary: Counts | undefined,
  drains: readonly DrainProgress[],
): MessageInitShape<typeof StorageStatusSchema> {
  const counts = summary?.storages.get(storage);
  const key = { virtualStorage: virtualStorage.name, storage };
  const drain = drains.find((it) => isSameStorage(it, key));
  return {
    name: storage,
    healthy,
    healthReason: reason ?? '',
    zone,
    replicas: BigInt(counts?.replicas ?? 0),
    inSync: BigInt(counts?.inSync ?? 0),
    moving: BigInt(counts?.moving ?? 0),
    primaries: BigInt(counts?.primaries ?? 0),
    ...(drain && { drain: describeDrain(drain) }),
    ...describeWeight(virtualStorage.weighing(storage)),
  };
}

async function* listRepositories(
  context: RelayContext,
  filter: {
    readonly virtualStorage: string;
    readonly onlyDegraded: boolean;
    readonly relativePath: string;
    readonly onlyUndecided: boolean;
  },
): AsyncIterable<MessageInitShape<typeof RepositoryStatusSchema>> {
  const { virtualStorage, relativePath, onlyDegraded, onlyUndecided } = filter;
  if (virtualStorage !== '' && relativePath !== '') {
    const record = await context.view.refresh({ virtualStorage, relativePath });
    if (record === undefined) return;
    yield describeRepository(record, await context.store.verifications.get(record.id));
    return;
  }
  if (onlyUndecided) {
    for await (const { record, finding } of allFindings(context.store, virtualStorage)) {
      yield describeRepository(record, { finding });
    }
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

async function* allFindings(
  { verifications }: ControlStore,
  virtualStorage: string,
): AsyncIterable<Finding> {
  const filter = virtualStorage === '' ? {} : { virtualStorage };
  for (let afterId = 0n; ;) {
    const page = await verifications.findings({ ...filter, afterId, limit: findingsPage });
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < findingsPage) return;
    afterId = last.record.id;
  }
}

function describeRepository(
  record: RepositoryRecord,
  { finding = '', verifiedAtMs = 0 }: VerificationState = {},
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
    finding,
    verifiedAtMs: BigInt(verifiedAtMs),
    replicas: record.replicas.map((replica) => ({
      ...replica,
      inSync: isInSync(record, replica.storage),
      repairedBy: replica.repair?.owner ?? '',
      replaces: replica.replaces ?? '',
    })),
  };
}
