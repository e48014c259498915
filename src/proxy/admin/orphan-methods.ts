import type { MessageInitShape } from '@bufbuild/protobuf';
import type { FindOrphansRequest, OrphanSchema } from '../../gen/gitaly_operator/v1/admin_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError } from '../relay/local-method.ts';
import { findOrphans, removeOrphans } from '../verification/orphans.ts';

/** What lies on a storage's disk and belongs to no record; removed where that is asked for. */
export async function* listOrphans(
  request: Pick<FindOrphansRequest, 'virtualStorage' | 'storage' | 'remove'>,
  { storages, store, clock, logger }: RelayContext,
  signal: AbortSignal,
): AsyncIterable<MessageInitShape<typeof OrphanSchema>> {
  const { virtualStorage: name, storage, remove } = request;
  const virtualStorage = storages.get(name);
  if (!virtualStorage?.nodes().has(storage)) {
    const message = `there is no storage ${storage} in a virtual storage ${name}`;
    throw new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
  }
  const options = { store, virtualStorage, storage, clock, signal, logger };
  const orphans = remove ? removeOrphans(options) : findOrphans(options);
  for await (const { path, modifiedAtMs = 0, keptBecause = '', ...orphan } of orphans) {
    yield {
      path,
      modifiedAtMs: BigInt(Math.round(modifiedAtMs)),
      keptBecause,
      removed: 'isRemoved' in orphan && orphan.isRemoved === true,
    };
  }
}
