import { ServerService, type ServerInfoResponse } from '../../gen/gitaly/server_pb.ts';
import { unaryMethod, type LocalMethod } from '../relay/local-method.ts';
import type { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';

/** ServerService for the virtual storages. */
export function serverMethods(storages: StorageDirectory): readonly LocalMethod[] {
  return [
    unaryMethod(ServerService.method.serverInfo, async () => {
      const answers = await Promise.all(storages.all.map(askOne));
      const known = answers.filter((answer) => answer !== undefined);
      return {
        serverVersion: known[0]?.info.serverVersion ?? '',
        gitVersion: known[0]?.info.gitVersion ?? '',
        storageStatuses: known.flatMap(statusOf),
      };
    }),
  ];
}

interface Answer {
  readonly virtualStorage: VirtualStorage;
  readonly storage: string;
  readonly info: ServerInfoResponse;
}

/** What the first storage that answers says. A virtual storage without any is left out. */
async function askOne(virtualStorage: VirtualStorage): Promise<Answer | undefined> {
  for (const { name, health, control } of virtualStorage.storages) {
    if (health.kind !== 'healthy') continue;
    try {
      return { virtualStorage, storage: name, info: await control.serverInfo() };
    } catch {
      // The next one may answer.
    }
  }
  return undefined;
}

/** The status that the storage gave of itself, as that of its virtual storage. */
function statusOf({ info, virtualStorage, storage }: Answer) {
  const status = info.storageStatuses.find(({ storageName }) => storageName === storage);
  if (status === undefined) return [];
  const { replicationFactor } = virtualStorage.policy;
  return [{ ...status, storageName: virtualStorage.name, replicationFactor }];
}
