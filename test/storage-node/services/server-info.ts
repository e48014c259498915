import { stat, statfs } from 'node:fs/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type ReadinessCheckResponseSchema,
  ServerService,
} from '../../../src/gen/gitaly/server_pb.ts';
import { readFilesystemId } from '../filesystem-id.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import type { ServiceContext } from './context.ts';

/** The version of Gitaly that this node behaves like. */
const serverVersion = '18.9.0';

const { method } = ServerService;

/** ServerService: version, disks, readiness. */
export function serverHandlers({ git, storages }: ServiceContext): Handler[] {
  return [
    unary(method.serverInfo, async () => ({
      serverVersion,
      gitVersion: await gitVersion(),
      storageStatuses: await Promise.all(
        storages.entries().map(async ([storageName, root]) => {
          const exists = await isFolder(root);
          return {
            storageName,
            readable: exists,
            writeable: exists,
            filesystemId: await readFilesystemId(root),
            replicationFactor: 1,
          };
        }),
      ),
    })),

    unary(method.diskStatistics, async () => ({
      storageStatuses: await Promise.all(
        storages.entries().map(async ([storageName, root]) => {
          const { available, used } = await diskSpace(root);
          return { storageName, available, used };
        }),
      ),
    })),

    unary(method.readinessCheck, () => readiness()),

    // No signing key is configured here.
    unary(method.serverSignature, async () => ({})),
  ];

  async function readiness(): Promise<MessageInitShape<typeof ReadinessCheckResponseSchema>> {
    const missing: string[] = [];
    for (const [name, root] of storages.entries()) if (!(await isFolder(root))) missing.push(name);
    if (missing.length === 0) return { Result: { case: 'okResponse', value: {} } };
    const failedChecks = missing.map((name) => ({
      name: 'storage',
      errorMessage: `storage ${name} is not readable`,
    }));
    return { Result: { case: 'failureResponse', value: { failedChecks } } };
  }

  async function gitVersion(): Promise<string> {
    const { stdout } = await git.run('/', ['version']);
    return stdout.toString().trim().split(' ')[2] ?? '';
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function diskSpace(root: string): Promise<{ available: bigint; used: bigint }> {
  const { bavail, bfree, blocks, bsize } = await statfs(root, { bigint: true });
  return { available: bavail * bsize, used: (blocks - bfree) * bsize };
}
