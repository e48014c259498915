import { ObjectPoolService } from '../../gen/gitaly/objectpool_pb.ts';
import { statusCodes, toStatusCode } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { upstreamMetadata } from '../relay/call-head.ts';
import { LocalCallError, unaryMethod, type LocalMethod } from '../relay/local-method.ts';
import { createPool } from '../relay/pool-creation.ts';
import { findSecondRepository } from '../relay/second-repository.ts';
import type { ServerCall } from '../relay/server-call.ts';
import { readRepository, repositoryNotFound } from '../relay/target.ts';
import { isBeingCreated } from '../relay/write-admission.ts';
import { lookupMethod } from '../routing/method-table.ts';
import { isPoolPath, poolIdOf } from '../routing/replica-path.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { routeRead } from '../routing/route.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import { removeRepository } from './repository-methods.ts';

const { method } = ObjectPoolService;
/** For calls without a limit of their own: cloning a large repository takes long. */
const creationLimitMs = 3_600_000;

/** The calls about object pools that a storage alone could not answer. */
export function objectPoolMethods(context: RelayContext): readonly LocalMethod[] {
  let lastTransaction = 0;
  return [
    unaryMethod(method.createObjectPool, async (request, call) => {
      lastTransaction += 1;
      const { key, virtualStorage } = targetOf(call, context);
      if (!isPoolPath(key.relativePath)) throw invalidPoolPath();
      const second = await findSecondRepository(call, lookupMethod(call.head.path), context);
      const pool = request.objectPool?.repository;
      if (second === undefined || request.origin === undefined || pool === undefined) {
        throw new LocalCallError(statusCodes.INVALID_ARGUMENT, 'no origin repository');
      }
      const creation = {
        key,
        virtualStorage,
        messages: { pool, origin: request.origin },
        origin: second.record,
        transaction: `${context.owner}/pool-${lastTransaction}`,
        metadata: upstreamMetadata(call.head, virtualStorage.name),
        limitMs: call.remainingMs ?? creationLimitMs,
        onRecord: (record: RepositoryRecord) => call.trace.repositoryFound(record),
      };
      await createPool(creation, context).catch(asStorageSaid);
      return {};
    }),

    unaryMethod(method.deleteObjectPool, async (_request, call) => {
      const { key } = targetOf(call, context);
      if (!isPoolPath(key.relativePath)) throw invalidPoolPath();
      // One that is not there is as good as deleted.
      await removeRepository(key, context);
      return {};
    }),

    unaryMethod(method.getObjectPool, async (_request, call) => {
      const { key, virtualStorage } = targetOf(call, context);
      const record = await context.view.get(key);
      if (record === undefined || isBeingCreated(record)) throw repositoryNotFound();
      call.trace.repositoryFound(record);
      const path = await askAnyReplica(record, virtualStorage, context).catch(asStorageSaid);
      if (path === undefined) return {};
      const relativePath = await relativePathOf(path, context);
      return { objectPool: { repository: { storageName: virtualStorage.name, relativePath } } };
    }),
  ];
}

interface Target {
  readonly key: RepositoryKey;
  readonly virtualStorage: VirtualStorage;
}

function targetOf(call: ServerCall, { storages }: RelayContext): Target {
  const { storage, relativePath } = readRepository(call, lookupMethod(call.head.path));
  const virtualStorage = storages.get(storage);
  if (virtualStorage === undefined) {
    throw new LocalCallError(statusCodes.INVALID_ARGUMENT, 'storage name not found');
  }
  const key = { virtualStorage: storage, relativePath };
  call.trace.repositoryNamed(key);
  return { key, virtualStorage };
}

/** The path on the storages of the pool that a repository borrows from, if it does. */
async function askAnyReplica(
  record: RepositoryRecord,
  virtualStorage: VirtualStorage,
  { view, random }: RelayContext,
): Promise<string | undefined> {
  const excluded = new Set<string>();
  for (;;) {
    const route = routeRead(view.latest(record), virtualStorage.nodes(), {
      primaryOnly: false,
      excluded,
      random,
    });
    if (route.kind === 'unavailable') {
      throw new LocalCallError(statusCodes.UNAVAILABLE, route.reason);
    }
    try {
      return await virtualStorage.control(route.storage).objectPoolOf(record.replicaPath);
    } catch (error) {
      const isLost = error instanceof UpstreamError && error.code === statusCodes.UNAVAILABLE;
      if (!isLost) throw error;
      excluded.add(route.storage);
    }
  }
}

/** GitLab's path of the pool that lies at `path`. One that is none of ours keeps its path. */
async function relativePathOf(path: string, { store }: RelayContext): Promise<string> {
  const id = poolIdOf(path);
  if (id === undefined) return path;
  const pool = await store.getById(id);
  if (pool !== undefined) return pool.relativePath;
  const message = `the object pool ${id} has been deleted, and a repository still borrows from it`;
  throw new LocalCallError(statusCodes.NOT_FOUND, message);
}

function invalidPoolPath(): LocalCallError {
  return new LocalCallError(statusCodes.INVALID_ARGUMENT, 'invalid object pool directory');
}

/** A storage's refusal is for the client, in the storage's own words. */
function asStorageSaid(error: unknown): never {
  if (!(error instanceof UpstreamError)) throw error;
  throw new LocalCallError(toStatusCode(error.status.code), error.status.message);
}
