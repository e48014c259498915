import type {
  DescMethodUnary,
  DescMessage,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '../../base/clock.ts';
import { InternalGitaly } from '../../gen/gitaly/internal_pb.ts';
import { ObjectPoolService } from '../../gen/gitaly/objectpool_pb.ts';
import { RepositoryService } from '../../gen/gitaly/repository_pb.ts';
import type { Repository } from '../../gen/gitaly/shared_pb.ts';
import {
  ServerService,
  type DiskStatisticsResponse,
  type ServerInfoResponse,
  type ServerSignatureResponse,
} from '../../gen/gitaly/server_pb.ts';
import { Health, HealthCheckResponse_ServingStatus } from '../../gen/grpc/health/v1/health_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { DiskSpace } from '../routing/placement-weight.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import type { StorageCalls } from './storage-calls.ts';
import type { TokenVerdict } from './storage-token.ts';
import { callServerStreaming } from './streaming-call.ts';
import { transactionHeader } from './transaction-header.ts';
import { callUnary, UpstreamError, type UnaryCallOptions } from './unary-call.ts';

export interface ControlCallsOptions {
  /** The storage's name in Gitaly's own configuration. */
  readonly storage: string;
  readonly calls: Pick<StorageCalls, 'isConnected' | 'request' | 'checks'>;
  authorization(): HeaderField;
  readonly clock: Clock;
}

/** Where a storage that replicates finds its source. */
export interface ReplicationSource {
  readonly storage: string;
  readonly address: string;
  readonly token: string;
}

/** A repository on a storage's disk. */
export interface FoundRepository {
  readonly path: string;
  /** When its folder was last changed, in milliseconds since 1970-01-01 UTC. */
  readonly modifiedAtMs: number | undefined;
}

const quickMs = 10_000;

/** What a call ends with that the storage has not looked at, or not to its end. */
const undecided: ReadonlySet<number> = new Set([
  statusCodes.CANCELLED,
  statusCodes.DEADLINE_EXCEEDED,
  statusCodes.RESOURCE_EXHAUSTED,
  statusCodes.UNAVAILABLE,
]);

/**
 * The calls that a proxy makes to one storage on its own account.
 *
 * Each rejects with an {@link UpstreamError}: the storage's status, or UNAVAILABLE without one.
 */
export class ControlCalls {
  readonly #options: ControlCallsOptions;

  constructor(options: ControlCallsOptions) {
    this.#options = options;
  }

  /** Whether the storage says that it serves. */
  async isServing(limitMs: number): Promise<boolean> {
    const { checks } = this.#options.calls;
    const { status } = await this.#call(Health.method.check, { service: '' }, limitMs, {
      calls: checks,
    });
    return status === HealthCheckResponse_ServingStatus.SERVING;
  }

  /** A digest of all refs: equal for equal replicas. Empty for a repository without refs. */
  async checksum(replicaPath: string, limitMs = quickMs): Promise<string> {
    const repository = this.#repository(replicaPath);
    const method = RepositoryService.method.calculateChecksum;
    return (await this.#call(method, { repository }, limitMs)).checksum;
  }

  /** Whether the storage has a repository there. */
  async exists(replicaPath: string, limitMs: number): Promise<boolean> {
    const repository = this.#repository(replicaPath);
    const method = RepositoryService.method.repositoryExists;
    return (await this.#call(method, { repository }, limitMs)).exists;
  }

  /**
   * Whether a replica has an object directory of that name, which is a path from its folder on.
   *
   * @param options.metadata of the client who wants to read from there
   */
  async hasObjectDirectory(
    replicaPath: string,
    directory: string,
    options: { readonly limitMs: number; readonly metadata: readonly HeaderField[] },
  ): Promise<boolean> {
    const repository = { ...this.#repository(replicaPath), gitObjectDirectory: directory };
    const method = RepositoryService.method.getObjectDirectorySize;
    const { limitMs, metadata } = options;
    try {
      await this.#call(method, { repository }, limitMs, { metadata });
      return true;
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.code !== statusCodes.NOT_FOUND) throw error;
      return false;
    }
  }

  /** The checksum, and what the replica borrows from: equal for replicas that may stand for each other. */
  async fingerprint(replicaPath: string, limitMs = quickMs): Promise<string> {
    const [checksum, pool] = await Promise.all([
      this.checksum(replicaPath, limitMs),
      this.objectPoolOf(replicaPath, limitMs),
    ]);
    return pool === undefined ? checksum : `${checksum} with ${pool}`;
  }

  /**
   * Makes this storage's replica like the source's, also if it has none yet. The storage casts votes
   * on what it is about to change, for the transaction of that number.
   */
  async replicate(
    replicaPath: string,
    source: ReplicationSource,
    limitMs: number,
    transaction: bigint,
  ): Promise<void> {
    const { storage, address, token } = source;
    // Gitaly reads the coordinates of other storages from this field of the metadata.
    const servers = JSON.stringify({ [storage]: { address, token } });
    const metadata = [
      headerField('gitaly-servers', Buffer.from(servers).toString('base64')),
      this.#votesFor(transaction),
    ];
    await this.#call(
      RepositoryService.method.replicateRepository,
      {
        repository: this.#repository(replicaPath),
        source: { storageName: storage, relativePath: replicaPath },
      },
      limitMs,
      { metadata },
    );
  }

  /**
   * Removes the replica; one that is not there is fine.
   *
   * @param transaction if given, the storage asks before it does so, as for {@link replicate}
   */
  async remove(replicaPath: string, transaction?: bigint): Promise<void> {
    const repository = this.#repository(replicaPath);
    const metadata = transaction === undefined ? [] : [this.#votesFor(transaction)];
    const method = RepositoryService.method.removeRepository;
    try {
      await this.#call(method, { repository }, quickMs, { metadata });
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.code !== statusCodes.NOT_FOUND) throw error;
    }
  }

  /**
   * Clones an object pool from a repository of this storage. Never with a transaction: Gitaly would
   * vote on it in a way that no other storage can match.
   *
   * @param messages the client's, of which all but the names goes on
   */
  async createObjectPool(
    messages: { readonly pool: Repository; readonly origin: Repository },
    paths: { readonly pool: string; readonly origin: string },
    options: { readonly limitMs: number; readonly metadata: readonly HeaderField[] },
  ): Promise<void> {
    const pool = { ...messages.pool, ...this.#repository(paths.pool) };
    const origin = { ...messages.origin, ...this.#repository(paths.origin) };
    const objectPool = { repository: pool };
    const method = ObjectPoolService.method.createObjectPool;
    const { limitMs, metadata } = options;
    await this.#call(method, { objectPool, origin }, limitMs, { metadata });
  }

  /** The path of the object pool that a replica borrows from, if it borrows from one that is there. */
  async objectPoolOf(replicaPath: string, limitMs = quickMs): Promise<string | undefined> {
    const repository = this.#repository(replicaPath);
    const method = ObjectPoolService.method.getObjectPool;
    const { objectPool } = await this.#call(method, { repository }, limitMs);
    return objectPool?.repository?.relativePath;
  }

  /** Makes a replica borrow from an object pool of this storage. It votes, as for {@link replicate}. */
  async linkToObjectPool(
    replicaPath: string,
    poolPath: string,
    transaction: bigint,
  ): Promise<void> {
    const repository = this.#repository(replicaPath);
    const objectPool = { repository: this.#repository(poolPath) };
    const method = ObjectPoolService.method.linkRepositoryToObjectPool;
    const metadata = [this.#votesFor(transaction)];
    await this.#call(method, { repository, objectPool }, quickMs, { metadata });
  }

  /**
   * Gives a replica all that it borrows. Fails if it borrows from what is not there any more. It
   * votes, as for {@link replicate}.
   */
  async disconnectFromObjectPool(
    replicaPath: string,
    limitMs: number,
    transaction: bigint,
  ): Promise<void> {
    const repository = this.#repository(replicaPath);
    const method = ObjectPoolService.method.disconnectGitAlternates;
    await this.#call(method, { repository }, limitMs, { metadata: [this.#votesFor(transaction)] });
  }

  /** Every repository on the storage's disk, in no order. It is held back while they are not taken. */
  async *walk(limitMs: number): AsyncGenerator<FoundRepository> {
    const { storage } = this.#options;
    const method = InternalGitaly.method.walkRepos;
    const options = this.#callOptions(method, limitMs, {});
    const found = callServerStreaming(method, { storageName: storage }, options);
    for await (const { relativePath, modificationTime } of found) {
      const modifiedAtMs = modificationTime && timestampMs(modificationTime);
      yield { path: relativePath, modifiedAtMs };
    }
  }

  serverInfo(): Promise<ServerInfoResponse> {
    return this.#call(ServerService.method.serverInfo, {}, quickMs);
  }

  /**
   * The id of the volume that the storage has; empty if it does not tell one. The storage does not
   * have to take other calls yet.
   */
  async filesystemId(limitMs: number): Promise<string> {
    const { storage, calls } = this.#options;
    const method = ServerService.method.serverInfo;
    try {
      const info = await this.#call(method, {}, limitMs, { calls: calls.checks });
      const own = info.storageStatuses.find(({ storageName }) => storageName === storage);
      return own?.filesystemId ?? '';
    } catch (error) {
      const { UNIMPLEMENTED } = statusCodes;
      if (error instanceof UpstreamError && error.code === UNIMPLEMENTED) return '';
      throw error;
    }
  }

  /** Undefined if the storage does not tell. */
  async diskSpace(): Promise<DiskSpace | undefined> {
    const { storageStatuses } = await this.diskStatistics();
    const own = storageStatuses.find(({ storageName }) => storageName === this.#options.storage);
    if (own === undefined || own.available + own.used <= 0n) return undefined;
    return { freeBytes: Number(own.available), totalBytes: Number(own.available + own.used) };
  }

  diskStatistics(): Promise<DiskStatisticsResponse> {
    return this.#call(ServerService.method.diskStatistics, {}, quickMs);
  }

  /** The key that the storage signs commits with. */
  serverSignature(): Promise<ServerSignatureResponse> {
    return this.#call(ServerService.method.serverSignature, {}, quickMs);
  }

  /** Whether the storage accepts a call that is signed like this. */
  async tryToken(authorization: HeaderField, limitMs: number): Promise<TokenVerdict> {
    try {
      const calls = this.#options.calls.checks;
      await this.#call(ServerService.method.serverInfo, {}, limitMs, { calls, authorization });
    } catch (error) {
      if (!(error instanceof UpstreamError) || undecided.has(error.code)) throw error;
      const { UNAUTHENTICATED, PERMISSION_DENIED } = statusCodes;
      const isRefused = error.code === UNAUTHENTICATED || error.code === PERMISSION_DENIED;
      if (isRefused) return { kind: 'refused', reason: error.message };
    }
    // Any other failure comes from behind the check of the token.
    return { kind: 'accepted' };
  }

  #votesFor(transaction: bigint): HeaderField {
    return transactionHeader(transaction, this.#options.storage, true);
  }

  #repository(replicaPath: string): { storageName: string; relativePath: string } {
    return { storageName: this.#options.storage, relativePath: replicaPath };
  }

  async #call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    limitMs: number,
    options: Partial<Pick<UnaryCallOptions, 'calls' | 'authorization' | 'metadata'>> = {},
  ): Promise<MessageShape<O>> {
    return callUnary(method, request, this.#callOptions(method, limitMs, options));
  }

  /** @throws UpstreamError if there is no connection */
  #callOptions(
    method: { readonly name: string },
    limitMs: number,
    options: Partial<Pick<UnaryCallOptions, 'calls' | 'authorization' | 'metadata'>>,
  ): UnaryCallOptions {
    const { calls, clock, storage } = this.#options;
    if (!calls.isConnected) {
      const message = `there is no connection to storage ${storage}`;
      throw new UpstreamError(method.name, { code: statusCodes.UNAVAILABLE, message });
    }
    const authorization = options.authorization ?? this.#options.authorization();
    return { calls, ...options, authority: storage, authorization, clock, limitMs };
  }
}
