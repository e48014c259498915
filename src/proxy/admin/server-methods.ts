import { createHash } from 'node:crypto';
import { ServerService, type ServerInfoResponse } from '../../gen/gitaly/server_pb.ts';
import { statusCodes, toStatusCode } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError, unaryMethod, type LocalMethod } from '../relay/local-method.ts';
import type { ControlCalls } from '../upstream/control-calls.ts';
import type { Storage } from '../upstream/storage.ts';
import type { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import { checkReadiness } from './readiness.ts';

/** ServerService for the virtual storages. */
export function serverMethods(
  context: Pick<RelayContext, 'store' | 'storages' | 'membership' | 'clock'>,
): readonly LocalMethod[] {
  const { storages } = context;
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
    unaryMethod(ServerService.method.diskStatistics, async () => {
      const answers = await askAll(storages, (control) => control.diskStatistics());
      return { storageStatuses: answers.flatMap(({ storageStatuses }) => storageStatuses) };
    }),
    unaryMethod(ServerService.method.readinessCheck, ({ timeout }) =>
      checkReadiness(timeout, context),
    ),
    unaryMethod(ServerService.method.serverSignature, async () => ({
      publicKey: await commonPublicKey(storages),
    })),
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
  const { name, storages } = virtualStorage;
  return [
    {
      ...status,
      storageName: name,
      // Praefect counts storages here, whatever the factor of its configuration says.
      replicationFactor: storages.length,
      filesystemId: storages.length > 1 ? filesystemId(name) : status.filesystemId,
    },
  ];
}

/**
 * Clients take equal ids for the same disk, so a virtual storage has one that does not depend on
 * who answers: the UUID version 5 (RFC 9562, section 5.5) of its name in the namespace that
 * Praefect uses.
 */
export function filesystemId(virtualStorage: string): string {
  const digest = createHash('sha1').update(namespace).update(virtualStorage).digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString('hex', 0, 16);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const namespace = Buffer.from('1ef1a8c6cf524d0a92a6ca643e8bc7c5', 'hex');

/** All storages sign alike, or a signature would depend on which one made it. */
async function commonPublicKey(storages: StorageDirectory): Promise<Uint8Array> {
  const keys = await askAll(storages, async (control, { name }) => ({
    name,
    key: (await control.serverSignature()).publicKey,
  }));
  const [first] = keys;
  if (first === undefined) return new Uint8Array();
  const other = keys.find(({ key }) => Buffer.compare(key, first.key) !== 0);
  if (other === undefined) return first.key;
  throw new LocalCallError(
    statusCodes.INTERNAL,
    `storages ${first.name} and ${other.name} have different signing keys: give every Gitaly the same`,
  );
}

/**
 * Asks every storage of every virtual storage at the same time.
 *
 * @throws LocalCallError with the status of one that failed, and its name
 */
function askAll<T>(
  storages: StorageDirectory,
  ask: (control: ControlCalls, storage: Storage) => Promise<T>,
): Promise<readonly T[]> {
  return Promise.all(
    storages.all
      .flatMap((virtualStorage) => virtualStorage.storages)
      .map(async (storage) => {
        try {
          return await ask(storage.control, storage);
        } catch (error) {
          if (!(error instanceof UpstreamError)) throw error;
          throw new LocalCallError(
            toStatusCode(error.code),
            `storage ${storage.name}: ${error.message}`,
          );
        }
      }),
  );
}
