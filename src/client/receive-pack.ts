import type { SSHService } from '../gen/gitaly/ssh_pb.ts';
import type { RpcClient } from '../rpc/client.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { startPump, writeTo, type GitRequest, type GitStreams } from './git-streams.ts';

/** Whose push it is, and where it goes. */
export interface ReceivePackRequest extends GitRequest {
  /** Like `user-42`. Gitaly's hooks ask GitLab whether this user may push. */
  readonly glId: string;
  readonly glUsername?: string;
}

/** Gitaly's own client sends pieces of at most this size. */
const maxPieceBytes = 128 * 1024;

/**
 * Serves a `git push`: runs `git-receive-pack` on the server with the given streams.
 *
 * 1. The first message says what is pushed to; it must hold no data.
 * 2. Input goes out as it comes. Each side is held back while the other has no room.
 * 3. The exit status comes last. A server that ends the call with OK and none means 0; one that gives
 *    a status other than 0 has told why on stderr, and the call's own error adds nothing. But if the same push may
 *    succeed when it is made again, its words go to stderr too: git knows only that a hook said no.
 *
 * @returns the exit code of git-receive-pack
 * @throws RpcError if the call failed without an exit code, also after output: nobody knows then
 *   whether the push happened
 */
export async function receivePack(
  ssh: RpcClient<typeof SSHService>,
  request: ReceivePackRequest,
  streams: GitStreams,
  signal?: AbortSignal,
): Promise<number> {
  const options = { deadlineMs: Number.POSITIVE_INFINITY, ...(signal ? { signal } : {}) };
  const call = await ssh.sSHReceivePack(options);
  await call.write(firstMessage(request));
  const input = startPump(streams.stdin, async (chunk) => {
    for (let start = 0; start < chunk.length; start += maxPieceBytes) {
      const stdin = chunk.subarray(start, start + maxPieceBytes);
      if (!(await call.write({ stdin }))) return false;
    }
    return true;
  });
  input.done.then(
    () => call.end(),
    () => call.cancel(),
  );

  let exitCode: number | undefined;
  try {
    for await (const response of call.responses) {
      if (response.stdout.length > 0) await writeTo(streams.stdout, response.stdout);
      if (response.stderr.length > 0) await writeTo(streams.stderr, response.stderr);
      exitCode = response.exitStatus?.value ?? exitCode;
    }
    return exitCode ?? 0;
  } catch (error) {
    if (exitCode === undefined || exitCode === 0) throw error;
    await tellWhyInterrupted(error, streams.stderr);
    return exitCode;
  } finally {
    input.stop();
  }
}

async function tellWhyInterrupted(thrown: unknown, stderr: GitStreams['stderr']): Promise<void> {
  const error = RpcError.from(thrown);
  if (error.retryable) await writeTo(stderr, Buffer.from(`${error.message}\n`));
}

function firstMessage(request: ReceivePackRequest) {
  const { virtualStorage, relativePath, glRepository, glId, glUsername = '' } = request;
  return {
    repository: { storageName: virtualStorage, relativePath, glRepository },
    glId,
    glRepository,
    glUsername,
    gitProtocol: request.gitProtocol ?? '',
    gitConfigOptions: [...(request.gitConfigOptions ?? [])],
  };
}
