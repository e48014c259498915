import { SSHService, type SSHReceivePackRequest } from '../../../src/gen/gitaly/ssh_pb.ts';
import { bidiStreaming, type Handler } from '../grpc/handler.ts';
import { Code, RpcError } from '../grpc/status.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { pumpInto } from './pump.ts';
import { castFinalVote, type PushRequest, startReceivePack } from './receive-pack.ts';

const { method } = SSHService;

/** What receive-pack says when its client left; then the push counts as cancelled. */
const hungUp = 'fatal: the remote end hung up unexpectedly\n';

/** SSHService/SSHReceivePack. */
export function sshReceivePackHandler(context: ServiceContext): Handler {
  return bidiStreaming(method.sSHReceivePack, async (requests, call, send) => {
    const first = await requests.next();
    if (first.done) throw new RpcError(Code.INTERNAL, 'EOF');
    const push = await readFirst(context, first.value);
    const git = startReceivePack(context, push, [], call);
    const input = pumpInto(git.stdin, stdinOf(requests), call.signal);
    // What goes wrong with the input shows in what git does about it.
    input.catch(() => git.stdin.destroy());

    const stderr: Buffer[] = [];
    const forwardStdout = async () => {
      for await (const stdout of git.stdout as AsyncIterable<Buffer>) await send({ stdout });
    };
    const forwardStderr = async () => {
      for await (const chunk of git.stderr as AsyncIterable<Buffer>) {
        stderr.push(chunk);
        await send({ stderr: chunk });
      }
    };
    const [exitCode] = await Promise.all([git.exited, forwardStdout(), forwardStderr()]);
    if (exitCode !== 0) {
      await send({ exitStatus: { value: exitCode } });
      throw failure(exitCode, Buffer.concat(stderr).toString());
    }
    await castFinalVote(context, call);
  });
}

async function readFirst(
  { storages }: ServiceContext,
  request: SSHReceivePackRequest,
): Promise<PushRequest> {
  if (request.glId === '') throw invalidArgument('empty GlId');
  if (request.stdin.length > 0) throw invalidArgument('non-empty data in first request');
  return {
    repository: await storages.find(request.repository),
    pusher: { glId: request.glId, glUsername: request.glUsername, protocol: 'ssh' },
    gitProtocol: request.gitProtocol,
    gitConfigOptions: request.gitConfigOptions,
  };
}

async function* stdinOf(
  requests: AsyncIterable<SSHReceivePackRequest>,
): AsyncGenerator<Uint8Array> {
  for await (const request of requests) yield request.stdin;
}

function failure(exitCode: number, stderr: string): RpcError {
  if (stderr === hungUp) return new RpcError(Code.CANCELLED, 'user canceled the push');
  return new RpcError(Code.INTERNAL, `cmd wait: exit status ${exitCode}`);
}
