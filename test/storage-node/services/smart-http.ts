import {
  type InfoRefsRequest,
  type PostReceivePackRequest,
  SmartHTTPService,
} from '../../../src/gen/gitaly/smarthttp_pb.ts';
import { flushPacket, packet } from '../git/pkt-line.ts';
import { bidiStreaming, type Handler, type Send, serverStreaming } from '../grpc/handler.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { Code, RpcError } from '../grpc/status.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { pumpInto } from './pump.ts';
import { castFinalVote, type PushRequest, startReceivePack } from './receive-pack.ts';

const { method } = SmartHTTPService;

/** SmartHTTPService but for fetches: the advertisements, and pushes. */
export function smartHttpHandlers(context: ServiceContext): Handler[] {
  return [
    serverStreaming(method.infoRefsUploadPack, (request, call, send) =>
      advertise(context, 'upload-pack', request, call, send),
    ),
    serverStreaming(method.infoRefsReceivePack, (request, call, send) =>
      advertise(context, 'receive-pack', request, call, send),
    ),
    bidiStreaming(method.postReceivePack, (requests, call, send) =>
      receivePack(context, requests, call, send),
    ),
  ];
}

async function advertise(
  { git, storages }: ServiceContext,
  service: 'upload-pack' | 'receive-pack',
  request: InfoRefsRequest,
  { signal }: CallContext,
  send: Send<typeof method.infoRefsUploadPack.output>,
): Promise<void> {
  const { path } = await storages.find(request.repository);
  await send({ data: packet(`# service=git-${service}\n`) });
  await send({ data: flushPacket });
  const advertisement = git.spawn(path, [service, '--stateless-rpc', '--advertise-refs', path], {
    signal,
    config: request.gitConfigOptions,
    env: request.gitProtocol === '' ? {} : { GIT_PROTOCOL: request.gitProtocol },
  });
  advertisement.stdin.end();
  advertisement.stderr.resume();
  for await (const data of advertisement.stdout as AsyncIterable<Buffer>) await send({ data });
  const exitCode = await advertisement.exited;
  if (exitCode !== 0) throw new RpcError(Code.INTERNAL, `wait: exit status ${exitCode}`);
}

async function receivePack(
  context: ServiceContext,
  requests: AsyncGenerator<PostReceivePackRequest>,
  call: CallContext,
  send: Send<typeof method.postReceivePack.output>,
): Promise<void> {
  const first = await requests.next();
  if (first.done) throw new RpcError(Code.UNKNOWN, 'EOF');
  const push = await readFirst(context, first.value);
  const git = startReceivePack(context, push, ['--stateless-rpc'], call);
  const input = pumpInto(git.stdin, dataOf(requests), call.signal);
  // What goes wrong with the input shows in what git does about it.
  input.catch(() => git.stdin.destroy());
  git.stderr.resume();
  for await (const data of git.stdout as AsyncIterable<Buffer>) await send({ data });
  const exitCode = await git.exited;
  if (exitCode !== 0) {
    const text = `waiting for receive-pack: exit status ${exitCode}`;
    throw new RpcError(Code.FAILED_PRECONDITION, text);
  }
  await castFinalVote(context, call);
}

async function readFirst(
  { storages }: ServiceContext,
  request: PostReceivePackRequest,
): Promise<PushRequest> {
  if (request.glId === '') throw invalidArgument('empty GlId');
  if (request.data.length > 0) throw invalidArgument('non-empty Data');
  return {
    repository: await storages.find(request.repository),
    pusher: { glId: request.glId, glUsername: request.glUsername, protocol: 'http' },
    gitProtocol: request.gitProtocol,
    gitConfigOptions: request.gitConfigOptions,
  };
}

async function* dataOf(
  requests: AsyncIterable<PostReceivePackRequest>,
): AsyncGenerator<Uint8Array> {
  for await (const request of requests) yield request.data;
}
