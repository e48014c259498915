import { withTimeout, type Clock } from '../base/clock.ts';
import { SSHService } from '../gen/gitaly/ssh_pb.ts';
import type { Transport } from '../proxy/wire/transport.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';
import type { GitRequest, GitStreams } from './git-streams.ts';
import { startMultiplexedCall } from './multiplexed-call.ts';
import { SidechannelRelay } from './sidechannel-relay.ts';

export interface UploadPackOptions {
  /** A connection for this fetch alone. */
  readonly connect: () => Promise<Transport>;
  /** The server's name for HTTP/2. */
  readonly authority: string;
  /** The value of the metadata key `authorization`, for a call that starts now. */
  readonly authorization: () => string;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** What git has not read so long after the call failed is given up. */
const drainLimitMs = 30_000;

/**
 * Serves a `git fetch` or `git clone`: runs `git-upload-pack` on the server with the given streams,
 * through a sidechannel.
 *
 * 1. The call goes out on a connection of its own; the server opens the sidechannel.
 * 2. The server ends the sidechannel, then the call. Git gets all output before this resolves or
 *    rejects, because an error's reason may be in it.
 * 3. If git failed on the server, the status of the call names its exit code; git's own words were on
 *    stderr.
 *
 * @returns the exit code of git-upload-pack
 * @throws RpcError if the call failed otherwise; Error if git closed its end
 */
export async function uploadPack(
  request: GitRequest,
  streams: GitStreams,
  options: UploadPackOptions,
): Promise<number> {
  const { connect, authority, authorization, clock, signal } = options;
  const transport = await connect();
  let relay: SidechannelRelay | undefined;
  let relayFailure: Error | undefined;
  const call = startMultiplexedCall({
    transport,
    authority,
    method: SSHService.method.sSHUploadPackWithSidechannel,
    request: callRequest(request),
    authorization: authorization(),
    clock,
    onSidechannel(stream) {
      relay = new SidechannelRelay(stream, streams);
      // A relay that fails ends the call: the server would wait for input that never comes.
      relay.finished.catch((error: Error) => {
        relayFailure = error;
        call.close();
      });
    },
  });
  const onAbort = () => call.close();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const failure = await call.response.then(
      () => undefined,
      (error: unknown) => RpcError.from(error),
    );
    if (signal?.aborted) throw new RpcError(statusCodes.CANCELLED, 'cancelled by the caller');
    if (failure === undefined) await relay?.finished;
    else await drain(relay, clock);
    // The connection was closed because of it: the call's failure would tell less.
    if (relayFailure !== undefined) throw relayFailure;
    return exitCodeOf(failure);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    relay?.destroy();
    call.close();
  }
}

function callRequest(request: GitRequest) {
  const { virtualStorage, relativePath, glRepository, gitProtocol, gitConfigOptions } = request;
  return {
    repository: { storageName: virtualStorage, relativePath, glRepository },
    gitProtocol: gitProtocol ?? '',
    gitConfigOptions: [...(gitConfigOptions ?? [])],
  };
}

/** Lets git read what is left. If that fails, the call's own failure tells more. */
async function drain(relay: SidechannelRelay | undefined, clock: Clock): Promise<void> {
  if (relay === undefined) return;
  await withTimeout(clock, drainLimitMs, 'reading the rest', relay.finished).catch(() => {});
}

function exitCodeOf(failure: RpcError | undefined): number {
  if (failure === undefined) return 0;
  const named = /\bexit status ([1-9][0-9]{0,2})\b/.exec(failure.message)?.[1];
  if (named === undefined) throw failure;
  return Number(named);
}
