import { sleep, type Clock } from '../base/clock.ts';
import { deferred, type Deferred } from '../base/deferred.ts';
import { errorMessage } from '../base/errors.ts';
import { connectTransport } from '../proxy/wire/socket-transport.ts';
import type { Transport } from '../proxy/wire/transport.ts';
import type { Address } from '../rpc/address.ts';
import type { TlsOptions } from '../rpc/channel.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';

export interface DialOptions {
  /** Tried in this order, over and over. */
  readonly addresses: readonly Address[];
  /** What people call the servers, for errors. */
  readonly name: string;
  /** What certificates have to be for; default: the address's host. */
  readonly serverName?: string;
  readonly tls?: TlsOptions;
  /** For all attempts together. */
  readonly limitMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** An attempt that is not over after so long gets another beside it. */
const attemptMs = 1000;
/** Between rounds in which every address failed at once. */
const pauseMs = 250;

/**
 * Connects to the first server that answers.
 *
 * An address may lead to another server each time, as that of a Service does, and a server that has
 * lost its power never refuses: it just does not answer. So the attempts overlap:
 *
 * 1. Try the first address.
 * 2. Try the next when that has failed, or has taken a second (less with many addresses, so that each
 *    gets its turn within the limit). After the last comes the first again.
 * 3. The first attempt that succeeds counts; the others are dropped.
 *
 * @throws RpcError UNAVAILABLE with the last reason if none does within the limit; CANCELLED
 */
export async function dial(options: DialOptions): Promise<Transport> {
  const { addresses, name, limitMs, clock, signal } = options;
  const dialing = new Dialing(options);
  const cancel = () => dialing.end(new RpcError(statusCodes.CANCELLED, 'cancelled by the caller'));
  const giveUp = () => dialing.end(unavailable(name, dialing.lastReason));
  const timer = clock.after(limitMs, giveUp);
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted) cancel();
  else if (addresses.length === 0) dialing.end(unavailable(name, 'the name has no address'));
  else void dialing.run();
  try {
    return await dialing.connected;
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', cancel);
  }
}

class Dialing {
  readonly #options: DialOptions;
  readonly #connected: Deferred<Transport> = deferred();
  /** Attempts under way. */
  readonly #attempts = new Set<AbortController>();
  #isOver = false;
  #lastReason: string;

  constructor(options: DialOptions) {
    this.#options = options;
    this.#lastReason = `no answer within ${options.limitMs} ms`;
  }

  get connected(): Promise<Transport> {
    return this.#connected.promise;
  }

  /** Why the last attempt that has ended did so. */
  get lastReason(): string {
    return this.#lastReason;
  }

  /** Makes attempts until one succeeds or {@link end} is called. */
  async run(): Promise<void> {
    const { addresses, limitMs, clock } = this.#options;
    const waitMs = Math.min(attemptMs, limitMs / (addresses.length + 1));
    for (let turn = 0; ; turn = (turn + 1) % addresses.length) {
      const address = addresses[turn];
      if (this.#isOver || address === undefined) return;
      const isLast = turn === addresses.length - 1;
      const ended = this.#attempt(address).then(() => (isLast ? sleep(clock, pauseMs) : undefined));
      await Promise.race([ended, sleep(clock, waitMs)]);
    }
  }

  /** Drops all attempts. */
  end(error: Error): void {
    this.#connected.reject(error);
    this.#dropAttempts();
  }

  /** Resolves when it is over, also if it has failed. */
  async #attempt(address: Address): Promise<void> {
    const { serverName, tls, limitMs, clock } = this.#options;
    const attempt = new AbortController();
    this.#attempts.add(attempt);
    try {
      const transport = await connectTransport({
        address,
        clock,
        timeoutMs: limitMs,
        tls: {
          ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
          ...(serverName === undefined ? {} : { serverName }),
        },
        signal: attempt.signal,
      });
      this.#attempts.delete(attempt);
      if (this.#isOver) transport.destroy();
      this.#connected.resolve(transport);
      this.#dropAttempts();
    } catch (error) {
      this.#attempts.delete(attempt);
      if (!this.#isOver) this.#lastReason = errorMessage(error);
    }
  }

  #dropAttempts(): void {
    this.#isOver = true;
    for (const attempt of this.#attempts) attempt.abort();
  }
}

function unavailable(name: string, reason: string): RpcError {
  return new RpcError(statusCodes.UNAVAILABLE, `no server behind ${name} answers: ${reason}`);
}
