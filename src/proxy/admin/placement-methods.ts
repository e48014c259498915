import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ListPlacementsRequest,
  ListPlacementsResponseSchema,
} from '../../gen/gitaly_operator/v1/admin_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError } from '../relay/local-method.ts';
import { TooManyListsError, type InSyncSet } from '../store/in-sync-sets.ts';

/** Where the repositories of a virtual storage are in sync, in the store's pages: no more is in memory. */
export async function* listPlacements(
  { virtualStorage }: Pick<ListPlacementsRequest, 'virtualStorage'>,
  { storages, store }: Pick<RelayContext, 'storages' | 'store'>,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof ListPlacementsResponseSchema>> {
  if (!storages.get(virtualStorage)) {
    const message = `there is no virtual storage ${virtualStorage}`;
    throw new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
  }
  const indexes = new Map<string, number>();
  let isFirst = true;
  try {
    for await (const { asOfMs, sets } of store.inSyncSets({ virtualStorage, signal })) {
      const head = isFirst ? { asOfMs: BigInt(Math.floor(asOfMs)) } : {};
      isFirst = false;
      yield { ...head, ...packed(sets, indexes) };
    }
  } catch (error) {
    if (!(error instanceof TooManyListsError)) throw error;
    throw new LocalCallError(statusCodes.RESOURCE_EXHAUSTED, error.message);
  }
}

/** The sets in columns. Gives the storages that it meets for the first time the next indexes. */
function packed(sets: readonly InSyncSet[], indexes: Map<string, number>) {
  const known = indexes.size;
  const members = sets.flatMap(({ storages }) =>
    storages.map((storage) => {
      const index = indexes.get(storage) ?? indexes.size;
      indexes.set(storage, index);
      return index;
    }),
  );
  return {
    storages: [...indexes.keys()].slice(known),
    sizes: sets.map(({ storages }) => storages.length),
    members,
    repositories: sets.map(({ repositories }) => repositories),
    examples: sets.map(({ example }) => example),
  };
}
