import { statusCodes } from '../../rpc/status.ts';
import type { MethodInfo } from '../routing/method-table.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import { addReplica } from '../transactions/record-changes.ts';
import { withPartitioningHint } from './call-head.ts';
import type { RelayContext } from './context.ts';
import { LocalCallError } from './local-method.ts';
import type { ServerCall } from './server-call.ts';
import { readRepository, rewriteFor } from './target.ts';
import { isBeingCreated } from './write-admission.ts';
import type { WriteCallOptions } from './write-call.ts';

/** The second repository of a write. A repository that the write creates goes to the same storages. */
export interface SecondRepository {
  readonly record: RepositoryRecord;
  /**
   * `request`: the storages open it where they have it, so they get its path there. `metadata`: they
   * only get told, with a partitioning hint, what the first one shares objects with.
   */
  readonly standsIn: 'request' | 'metadata';
}

/**
 * Finds the second repository that a write names, in this order: in its field for one, in the
 * metadata `gitaly-partitioning-hint`, or as what a fork is made of. That last one may be in another
 * virtual storage: then it is fetched from there, and is no second repository.
 *
 * @throws LocalCallError NOT_FOUND, INVALID_ARGUMENT if it is in another virtual storage, and INTERNAL
 *   for more than one hint, with the texts that Gitaly's clients know
 */
export async function findSecondRepository(
  call: ServerCall,
  method: MethodInfo,
  context: RelayContext,
): Promise<SecondRepository | undefined> {
  const { partitioningHints } = call.head;
  const mayName = method.additional ?? method.forkedFrom ?? partitioningHints[0];
  if (mayName === undefined) return undefined;
  const { storage, additional, forkedFrom } = readRepository(call, method);
  if (additional !== undefined) {
    if (additional.storage !== storage) {
      throw new LocalCallError(
        statusCodes.INVALID_ARGUMENT,
        'resolving additional repository on different storage than target repository is not supported',
      );
    }
    const { relativePath } = additional;
    return { record: await find(storage, relativePath, method, context), standsIn: 'request' };
  }
  const hint = onlyHint(partitioningHints);
  const source = forkedFrom?.storage === storage ? forkedFrom.relativePath : '';
  const relativePath = hint === '' ? source : hint;
  if (relativePath === '') return undefined;
  return { record: await find(storage, relativePath, method, context), standsIn: 'metadata' };
}

/** Gives a repository a replica wherever `key` has one. Repair fills those that are new. */
export async function spread(
  record: RepositoryRecord,
  key: RepositoryKey,
  { view }: RelayContext,
): Promise<void> {
  const wanted = (await view.get(key))?.replicas ?? [];
  const holders = new Set(record.replicas.map(({ storage }) => storage));
  for (const { storage, role } of wanted) {
    if (role === 'leaving' || holders.has(storage)) continue;
    await view.change(record, (current) => addReplica(current, storage));
  }
}

/** How a write with a second repository is sent on. */
export function requestFor(
  call: ServerCall,
  method: MethodInfo,
  { replicaPath }: RepositoryRecord,
  second: SecondRepository | undefined,
): Pick<WriteCallOptions, 'head' | 'rewrite'> {
  const inRequest = second?.standsIn === 'request' ? second.record.replicaPath : undefined;
  return {
    rewrite: (storage) =>
      rewriteFor(call, method, { storage, relativePath: replicaPath }, inRequest),
    ...(second?.standsIn === 'metadata' && {
      head: withPartitioningHint(call.head, second.record.replicaPath),
    }),
  };
}

function onlyHint([hint = '', ...others]: readonly string[]): string {
  if (others.length === 0) return hint;
  throw new LocalCallError(
    statusCodes.INTERNAL,
    'mutator call: extract partitioning hint: multiple partitioning hints',
  );
}

async function find(
  virtualStorage: string,
  relativePath: string,
  method: MethodInfo,
  { view }: RelayContext,
): Promise<RepositoryRecord> {
  const key: RepositoryKey = { virtualStorage, relativePath };
  const record = await view.get(key);
  if (record !== undefined && !isBeingCreated(record)) return record;
  throw secondRepositoryNotFound(method);
}

/** The status for a second repository that does not exist. */
function secondRepositoryNotFound(method: Pick<MethodInfo, 'creates'>): LocalCallError {
  const doing =
    method.creates === undefined
      ? 'mutator call: route repository mutator: resolve additional replica path'
      : 'route repository creation';
  return new LocalCallError(statusCodes.NOT_FOUND, `${doing}: additional repository not found`);
}
