import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import { connectTransport } from '../proxy/wire/socket-transport.ts';
import type { Transport } from '../proxy/wire/transport.ts';
import type { Address } from '../rpc/address.ts';
import type { TlsOptions } from '../rpc/channel.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';

export interface DialOptions {
  /** Tried in this order, each once. */
  readonly addresses: readonly Address[];
  /** What people call the servers, for errors. */
  readonly name: string;
  /** What certificates have to be for; default: the address's host. */
  readonly serverName?: string;
  readonly tls?: TlsOptions;
  /** For each address. */
  readonly limitMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/**
 * Connects to the first server that answers.
 *
 * @throws RpcError UNAVAILABLE with the last server's reason if none does
 */
export async function dial(options: DialOptions): Promise<Transport> {
  const { addresses, name, serverName, tls, limitMs, clock, signal } = options;
  let reason = 'the name has no address';
  for (const address of addresses) {
    if (signal?.aborted) throw new RpcError(statusCodes.CANCELLED, 'cancelled by the caller');
    try {
      return await connectTransport({
        address,
        clock,
        timeoutMs: limitMs,
        tls: {
          ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
          ...(serverName === undefined ? {} : { serverName }),
        },
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      reason = errorMessage(error);
    }
  }
  throw new RpcError(statusCodes.UNAVAILABLE, `no server behind ${name} answers: ${reason}`);
}
