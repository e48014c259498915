import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DatalossRequest,
  DatalossResponse_RepositorySchema,
  DatalossResponseSchema,
} from '../../gen/gitaly/praefect_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError } from '../relay/local-method.ts';
import { isBeingCreated } from '../relay/write-admission.ts';
import { isHealthy, type NodeView } from '../routing/node-view.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import { allRepositories } from './all-repositories.ts';

type Loss = MessageInitShape<typeof DatalossResponse_RepositorySchema>;

/** So many fit into a message, however long their paths and names are. */
const chunkSize = 100;

/**
 * The repositories that are unavailable: no in-sync replica can be reached. With `includePartiallyReplicated` also
 * those of which some replica is behind or cannot be reached.
 *
 * As long as every storage is healthy, only repositories that are not settled are looked at.
 */
export async function* findLosses(
  request: Pick<DatalossRequest, 'virtualStorage' | 'includePartiallyReplicated'>,
  { store, storages }: Pick<RelayContext, 'store' | 'storages'>,
): AsyncIterable<MessageInitShape<typeof DatalossResponseSchema>> {
  const { virtualStorage, includePartiallyReplicated } = request;
  const nodes = storages.get(virtualStorage)?.nodes();
  if (nodes === undefined) {
    const message = `unknown virtual storage: "${virtualStorage}"`;
    throw new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
  }
  const onlyUnsettled = [...nodes.values()].every(({ healthy }) => healthy);
  let repositories: Loss[] = [];
  for await (const record of allRepositories(store, { virtualStorage, onlyUnsettled })) {
    const loss = lossOf(record, nodes);
    if (loss === undefined || !(loss.unavailable || includePartiallyReplicated)) continue;
    repositories.push(loss);
    if (repositories.length === chunkSize) {
      yield { repositories };
      repositories = [];
    }
  }
  if (repositories.length > 0) yield { repositories };
}

/** What a repository lacks with storages in that state, or undefined if it lacks nothing (pure). */
export function lossOf(record: RepositoryRecord, nodes: NodeView): Loss | undefined {
  if (isBeingCreated(record)) return undefined;
  const inSync = inSyncVoters(record);
  const storages = record.replicas.map(({ storage, lsn, role }) => {
    const healthy = isHealthy(nodes, storage);
    return {
      name: storage,
      behindBy: record.lsn - lsn,
      assigned: role !== 'leaving',
      healthy,
      validPrimary: healthy && inSync.includes(storage),
    };
  });
  if (storages.every(({ assigned, validPrimary }) => validPrimary || !assigned)) return undefined;
  return {
    relativePath: record.relativePath,
    primary: record.primary,
    storages,
    unavailable: !storages.some(({ validPrimary }) => validPrimary),
  };
}
