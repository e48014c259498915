import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { sleep, withTimeout, type Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { SSHService } from '../gen/gitaly/ssh_pb.ts';
import type { Transport } from '../proxy/wire/transport.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';
import type { GitRequest, GitStreams } from './git-streams.ts';
import { startMultiplexedCall, type MultiplexedCall } from './multiplexed-call.ts';
import { SidechannelRelay } from './sidechannel-relay.ts';

export interface UploadPackOptions {
  /** A connection for one attempt alone, to another server each time. */
  readonly connect: () => Promise<Transport>;
  /** The server's name for HTTP/2. */
  readonly authority: string;
  /** The value of the metadata key `authorization`, for a call that starts now. */
  readonly authorization: () => string;
  readonly clock: Clock;
  readonly random: Random;
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
 *    ends UNAVAILABLE before that has touched none of git's streams, and is made again.
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
  const { clock, random, signal } = options;
  for (let attempts = 1; ; attempts++) {
    const attempt = new Attempt(request, streams, options);
    try {
      return await attempt.run();
    } catch (error) {
      if (signal?.aborted) throw new RpcError(statusCodes.CANCELLED, 'cancelled by the caller');
      if (attempt.hasTouchedGit || !isUnavailable(error) || attempts === maxAttempts) throw error;
    }
    await sleep(clock, backoffDelayMs(retryPolicy, attempts, random));
  }
}

class Attempt {
  readonly #request: GitRequest;
  readonly #streams: GitStreams;
  readonly #options: UploadPackOptions;
  #relay: SidechannelRelay | undefined;

  constructor(request: GitRequest, streams: GitStreams, options: UploadPackOptions) {
    this.#request = request;
    this.#streams = streams;
    this.#options = options;
  }

  /** Whether input may have been read or output written. */
  get hasTouchedGit(): boolean {
    return this.#relay !== undefined;
  }

  async run(): Promise<number> {
    const { signal } = this.#options;
    const call = this.#startCall(await this.#options.connect());
    const giveUp = () => {
      this.#relay?.destroy();
      call.close();
    };
    signal?.addEventListener('abort', giveUp, { once: true });
    if (signal?.aborted) giveUp();
    try {
      await call.response;
      await this.#relay?.finished;
      return 0;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return await this.#afterFailure(error);
    } finally {
      signal?.removeEventListener('abort', giveUp);
      giveUp();
    }
  }

  #startCall(transport: Transport): MultiplexedCall<unknown> {
    const { authority, authorization, clock } = this.#options;
    const call = startMultiplexedCall({
      transport,
      authority,
      method: SSHService.method.sSHUploadPackWithSidechannel,
      request: callRequest(this.#request),
      authorization: authorization(),
      clock,
      onSidechannel: (stream) => {
        this.#relay = new SidechannelRelay(stream, this.#streams);
        // The server would wait for input that never comes.
        this.#relay.finished.catch(() => call.close());
      },
    });
    return call;
  }

  /** What the server says about the failure counts; if it says nothing, what the relay has seen. */
  async #afterFailure(failure: RpcError): Promise<number> {
    const relayFailure = await this.#drain();
    if (relayFailure !== undefined && isUnavailable(failure)) throw relayFailure;
    const exitCode = /\bexit status ([1-9][0-9]{0,2})\b/.exec(failure.message)?.[1];
    if (exitCode === undefined) throw failure;
    return Number(exitCode);
  }

  /** Lets git read what is left. Resolves with the reason if that fails. */
  async #drain(): Promise<Error | undefined> {
    if (this.#relay === undefined) return undefined;
    const { finished } = this.#relay;
    return withTimeout(this.#options.clock, drainLimitMs, 'reading the rest', finished).then(
      () => undefined,
      (error: Error) => error,
    );
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

function isUnavailable(error: unknown): boolean {
  return error instanceof RpcError && error.code === statusCodes.UNAVAILABLE;
}
