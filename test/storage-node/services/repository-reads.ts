import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { RepositoryService } from '../../../src/gen/gitaly/repository_pb.ts';
import { checksumOf } from '../git/checksum.ts';
import { diskUsage } from '../git/disk-usage.ts';
import { isPoolPath } from '../git/object-pool.ts';
import { isRepository } from '../git/storages.ts';
import { type Handler, serverStreaming, unary } from '../grpc/handler.ts';
import { Code, RpcError } from '../grpc/status.ts';
import { type ServiceContext, invalidArgument } from './context.ts';

const { method } = RepositoryService;

/** What RepositoryService tells about a whole repository, and its housekeeping. */
export function repositoryReadHandlers(context: ServiceContext): Handler[] {
  const { git, storages } = context;
  return [
    unary(method.repositoryExists, async ({ repository }) => ({
      exists: await isRepository(storages.locate(repository).path),
    })),

    unary(method.calculateChecksum, async ({ repository }, { signal }) => {
      const { path: folder } = await storages.find(repository);
      const { stdout } = await git.run(folder, ['show-ref', '--head'], { signal });
      // show-ref fails when there is nothing to show: is this an empty repository, or none at all?
      if (stdout.length === 0 && !(await isBare(context, folder))) {
        throw new RpcError(Code.DATA_LOSS, `not a git repository '${folder}'`);
      }
      return { checksum: checksumOf(stdout.toString('latin1').split('\n')) };
    }),

    unary(method.repositorySize, async ({ repository }) => {
      const { path: folder } = await storages.find(repository);
      return { size: BigInt(Math.floor((await diskUsage(folder)) / 1024)) };
    }),

    unary(method.getObjectDirectorySize, async ({ repository }) => {
      const { path: folder } = await storages.find(repository);
      const objects = repository?.gitObjectDirectory ?? '';
      if (objects === '') throw invalidArgument('object directory path is not set');
      const found = path.resolve(folder, objects);
      const info = await stat(found).catch(() => undefined);
      if (!found.startsWith(folder + path.sep) || !info?.isDirectory()) {
        throw new RpcError(Code.NOT_FOUND, 'object directory does not exist');
      }
      return { size: BigInt(Math.floor((await diskUsage(found)) / 1024)) };
    }),

    unary(method.optimizeRepository, async ({ repository }, { signal }) => {
      const { path: folder, relativePath } = await storages.find(repository);
      await git.output(folder, ['pack-refs', '--all', '--prune'], { signal });
      // What a pool has, its members do not keep as well; what they may need, it never drops.
      const keeping = isPoolPath(relativePath) ? ['-a', '-k'] : ['-A', '-l'];
      await git.output(folder, ['repack', ...keeping, '-d', '-q'], { signal });
      return {};
    }),

    serverStreaming(method.getConfig, async ({ repository }, _call, send) => {
      const { path: folder } = await storages.find(repository);
      await send({ data: await readFile(path.join(folder, 'config')) });
    }),

    serverStreaming(method.createBundle, async ({ repository }, { signal }, send) => {
      const { path: folder } = await storages.find(repository);
      const bundle = git.spawn(folder, ['bundle', 'create', '--quiet', '-', '--all'], { signal });
      bundle.stdin.end();
      bundle.stderr.resume();
      for await (const data of bundle.stdout as AsyncIterable<Buffer>) await send({ data });
      const exitCode = await bundle.exited;
      if (exitCode !== 0) {
        const text = `cmd wait failed: exit status ${exitCode}`;
        throw new RpcError(Code.FAILED_PRECONDITION, text);
      }
    }),
  ];
}

async function isBare({ git }: ServiceContext, folder: string): Promise<boolean> {
  const { exitCode, stdout } = await git.run(folder, ['rev-parse', '--is-bare-repository']);
  return exitCode === 0 && stdout.toString().trim() === 'true';
}
