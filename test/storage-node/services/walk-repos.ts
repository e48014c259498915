import { stat } from 'node:fs/promises';
import path from 'node:path';
import { InternalGitaly } from '../../../src/gen/gitaly/internal_pb.ts';
import { repositoriesBelow } from '../git/stale-locks.ts';
import { type Handler, serverStreaming } from '../grpc/handler.ts';
import { Code, wrapError } from '../grpc/status.ts';
import type { ServiceContext } from './context.ts';

/** InternalGitaly/WalkRepos: every repository of a storage. */
export function walkReposHandler({ storages }: ServiceContext): Handler {
  return serverStreaming(InternalGitaly.method.walkRepos, async ({ storageName }, call, send) => {
    const root = rootOf(storageName);
    for await (const folder of repositoriesBelow(root)) {
      call.signal.throwIfAborted();
      const info = await stat(folder, { bigint: true }).catch(() => undefined);
      if (!info) continue;
      const seconds = info.mtimeNs / 1_000_000_000n;
      const nanos = Number(info.mtimeNs % 1_000_000_000n);
      const relativePath = path.relative(root, folder);
      await send({ relativePath, modificationTime: { seconds, nanos } });
    }
  });

  function rootOf(storage: string): string {
    try {
      return storages.root(storage);
    } catch (error) {
      throw wrapError(Code.INVALID_ARGUMENT, 'looking up storage', error);
    }
  }
}
