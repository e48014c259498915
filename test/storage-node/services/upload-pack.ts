import { SmartHTTPService } from '../../../src/gen/gitaly/smarthttp_pb.ts';
import { SSHService } from '../../../src/gen/gitaly/ssh_pb.ts';
import { NegotiationStatistics } from '../git/negotiation-statistics.ts';
import type { GitProcess } from '../git/git.ts';
import { packet } from '../git/pkt-line.ts';
import type { LocalRepository } from '../git/storages.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { openSidechannel, type Sidechannel } from '../grpc/sidechannel.ts';
import { Code, RpcError, wrapError } from '../grpc/status.ts';
import type { ServiceContext } from './context.ts';
import { pumpInto } from './pump.ts';

const stdoutBand = 1;
const stderrBand = 2;
const maxSidebandLength = 65_515;
const hungUp = 'fatal: the remote end hung up unexpectedly\n';

interface FetchRequest {
  readonly repository: LocalRepository;
  readonly gitProtocol: string;
  readonly gitConfigOptions: readonly string[];
}

/** PostUploadPackWithSidechannel and SSHUploadPackWithSidechannel: clone and fetch. */
export function uploadPackHandlers(context: ServiceContext): Handler[] {
  const { clock, storages } = context;
  return [
    unary(SmartHTTPService.method.postUploadPackWithSidechannel, async (request, call) => {
      const repository = await storages.find(request.repository);
      const sidechannel = await openSidechannel(call, clock).catch((error: unknown) => {
        throw wrapError(Code.INTERNAL, 'open sidechannel', error);
      });
      const fetch = { ...request, repository };
      return serve(sidechannel, () => overHttp(context, fetch, call, sidechannel));
    }),

    // Over SSH the sidechannel is opened before anything is looked at.
    unary(SSHService.method.sSHUploadPackWithSidechannel, async (request, call) => {
      const sidechannel = await openSidechannel(call, clock).catch((error: unknown) => {
        throw wrapError(Code.INTERNAL, 'opennig sidechannel', error);
      });
      return serve(sidechannel, async () => {
        const repository = await storages.find(request.repository);
        return overSsh(context, { ...request, repository }, call, sidechannel);
      });
    }),
  ];
}

/** Runs a fetch and closes the sidechannel before the response, as the client expects it. */
async function serve(sidechannel: Sidechannel, run: () => Promise<NegotiationStatistics>) {
  try {
    return { packfileNegotiationStatistics: (await run()).result };
  } finally {
    sidechannel.end();
  }
}

/** One request and its answer. Like Gitaly, it ends only after the client has marked the end of its data. */
async function overHttp(
  context: ServiceContext,
  request: FetchRequest,
  call: CallContext,
  sidechannel: Sidechannel,
): Promise<NegotiationStatistics> {
  const git = startUploadPack(context, request, ['--stateless-rpc'], call);
  const statistics = new NegotiationStatistics();
  const input = pumpAll(git, sidechannel, statistics, call);
  input.catch(() => git.stdin.destroy());
  git.stderr.resume();
  for await (const chunk of git.stdout as AsyncIterable<Buffer>) await sidechannel.write(chunk);
  const [exitCode] = await Promise.all([git.exited, input]);
  // A client that wants less history leaves after it was told how much there is.
  if (exitCode !== 0 && statistics.result.deepen === '') {
    const text = `running upload-pack: waiting for upload-pack: exit status ${exitCode}`;
    throw new RpcError(Code.FAILED_PRECONDITION, text);
  }
  return statistics;
}

/** A conversation; output and errors share the sidechannel in bands. */
async function overSsh(
  context: ServiceContext,
  request: FetchRequest,
  call: CallContext,
  sidechannel: Sidechannel,
): Promise<NegotiationStatistics> {
  const git = startUploadPack(context, request, [], call);
  const statistics = new NegotiationStatistics();
  pumpAll(git, sidechannel, statistics, call).catch(() => git.stdin.destroy());
  let stderr = '';
  const forward = async (band: number, chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      if (band === stderrBand) stderr += chunk.toString();
      await sidechannel.write(inBand(band, chunk));
    }
  };
  const [exitCode] = await Promise.all([
    git.exited,
    forward(stdoutBand, git.stdout),
    forward(stderrBand, git.stderr),
  ]);
  if (exitCode === 0) return statistics;
  if (stderr === hungUp) {
    throw new RpcError(Code.CANCELLED, 'running upload-pack: user canceled the request');
  }
  const text = `running upload-pack: cmd wait: exit status ${exitCode}, stderr: ${JSON.stringify(stderr)}`;
  throw new RpcError(Code.INTERNAL, text);
}

function startUploadPack(
  { git }: ServiceContext,
  { repository, gitProtocol, gitConfigOptions }: FetchRequest,
  flags: readonly string[],
  { signal }: CallContext,
): GitProcess {
  return git.spawn(repository.path, ['upload-pack', ...flags, repository.path], {
    signal,
    config: gitConfigOptions,
    env: gitProtocol === '' ? {} : { GIT_PROTOCOL: gitProtocol },
  });
}

/** Takes all that the client sends, also what git no longer wants. */
async function pumpAll(
  git: GitProcess,
  sidechannel: Sidechannel,
  statistics: NegotiationStatistics,
  { signal }: CallContext,
): Promise<void> {
  const input = sidechannel.input();
  const counted = async function* () {
    for await (const chunk of input) {
      statistics.push(chunk);
      yield chunk;
    }
  };
  await pumpInto(git.stdin, counted(), signal);
}

function inBand(band: number, chunk: Buffer): Buffer {
  const packets: Buffer[] = [];
  for (let at = 0; at < chunk.length; at += maxSidebandLength) {
    const part = chunk.subarray(at, at + maxSidebandLength);
    packets.push(packet(Buffer.concat([Buffer.from([band]), part])));
  }
  return Buffer.concat(packets);
}
