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

/** As for other reads: see `serviceConfig`. */
const maxAttempts = 4;
const retryPolicy: BackoffPolicy = { initialMs: 400, maxMs: 1400 };

/** What git has not read so long after the call failed is given up. */
const drainLimitMs = 30_000;

/**
 * Serves a `git fetch` or `git clone`: runs `git-upload-pack` on the server with the given streams,
 * through a sidechannel.
 *
 * 1. The call goes out on a connection of its own; the server opens the sidechannel. An attempt that
 *    ends UNAVAILABLE before that has touched no stream of git's, and is made again.
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
  const { clock, random } = options;
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptUploadPack(request, streams, options);
    if (outcome.kind === 'exited') return outcome.exitCode;
    if (!outcome.mayRetry || attempt === maxAttempts) throw outcome.error;
    await sleep(clock, backoffDelayMs(retryPolicy, attempt, random));
  }
}

type Attempt =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'failed'; readonly error: Error; readonly mayRetry: boolean };

async function attemptUploadPack(
  request: GitRequest,
  streams: GitStreams,
  options: UploadPackOptions,
): Promise<Attempt> {
  let relay: SidechannelRelay | undefined;
  const failed = (error: Error): Attempt => {
    const isUnavailable = error instanceof RpcError && error.code === statusCodes.UNAVAILABLE;
    return { kind: 'failed', error, mayRetry: isUnavailable && relay === undefined };
  };
  let relayFailure: Error | undefined;
  const startRelay = (stream: Transport) => {
    relay = new SidechannelRelay(stream, streams);
    // A relay that fails ends the call: the server would wait for input that never comes.
    relay.finished.catch((error: Error) => {
      relayFailure = error;
      close();
    });
  };
  let close = () => {};
  try {
    const call = await startCall(request, options, startRelay);
    close = () => call.close();
    const error = await untilEnded(call, options.signal);
    if (error === undefined) await relay?.finished;
    else await drain(relay, options.clock);
    // The connection was closed because of it: the call's own failure would tell less.
    if (relayFailure !== undefined) return failed(relayFailure);
    const exitCode = error === undefined ? 0 : exitCodeIn(error);
    if (exitCode !== undefined) return { kind: 'exited', exitCode };
    return failed(error ?? new Error('unreachable'));
  } catch (error) {
    return failed(RpcError.from(error));
  } finally {
    relay?.destroy();
    close();
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
