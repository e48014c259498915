import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { RepositoryService } from '../../../src/gen/gitaly/repository_pb.ts';
import { checksumOf } from '../git/checksum.ts';
import { diskUsage } from '../git/disk-usage.ts';
import { isPoolPath } from '../git/object-pool.ts';
import { findObjectDirectory } from '../git/quarantine.ts';
import { isRepository } from '../git/storages.ts';
import { type Handler, serverStreaming, unary } from '../grpc/handler.ts';
import { Code, RpcError } from '../grpc/status.ts';
import type { ServiceContext } from './context.ts';

const { method } = RepositoryService;

/** What RepositoryService tells about a whole repository, and its housekeeping. */
export function repositoryReadHandlers(context: ServiceContext): Handler[] {
  const { git, storages } = context;
  return [
    unary(method.repositoryExists, async ({ repository }) => ({
      exists: await isRepository(storages.locate(repository).path),
    })),

    unary(method.calculateChecksum, async ({ repository }, { signal }) => {
      const { path: folder, quarantine: env } = await storages.find(repository);
      const { stdout } = await git.run(folder, ['show-ref', '--head'], { signal, env });
      // show-ref fails when there is nothing to show: is this an empty repository, or none at all?
      if (stdout.length === 0 && !(await isBare(context, folder, env))) {
        throw new RpcError(Code.DATA_LOSS, `not a git repository '${folder}'`);
      }
      return { checksum: checksumOf(stdout.toString('latin1').split('\n')) };
    }),

    unary(method.repositorySize, async ({ repository }) => {
      const { path: folder } = await storages.find(repository);
      return { size: BigInt(Math.floor((await diskUsage(folder)) / 1024)) };
    }),

    unary(method.getObjectDirectorySize, async ({ repository }) => {
      const located = await storages.find(repository);
      const directory = repository?.gitObjectDirectory ?? '';
      const found = await findObjectDirectory(storages, located, directory);
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
      const { path: folder, quarantine: env } = await storages.find(repository);
      const command = ['bundle', 'create', '--quiet', '-', '--all'];
      const bundle = git.spawn(folder, command, { signal, env });
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

async function isBare(
  { git }: ServiceContext,
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<boolean> {
  const { exitCode, stdout } = await git.run(folder, ['rev-parse', '--is-bare-repository'], {
    env,
  });
  return exitCode === 0 && stdout.toString().trim() === 'true';
}
