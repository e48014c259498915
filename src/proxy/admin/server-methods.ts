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
        storageStatuses: known.flatMap(({ info, virtualStorage, storage }) =>
          info.storageStatuses
            .filter((status) => status.storageName === storage)
            .map((status) => ({
              ...status,
              storageName: virtualStorage.name,
              replicationFactor: virtualStorage.policy.replicationFactor,
            })),
        ),
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
