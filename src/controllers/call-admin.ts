import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { openRpcChannel, type CallOptions } from '../rpc/channel.ts';
import { createRpcClient, type RpcClient } from '../rpc/client.ts';
import type { ProxyEndpoint } from './proxy-status-source.ts';

const answerLimitMs = 2_000;

/** Which proxy to call, and what to sign with. */
interface AdminCall {
  readonly clock: Clock;
  readonly proxy: ProxyEndpoint;
  readonly token: string;
  /** Default 2 s. */
  readonly limitMs?: number;
}

/** Makes one call of a proxy's admin service within its limit. Rejects with the name of the proxy and why. */
export async function callAdmin<T>(
  { clock, proxy: { name, address }, token, limitMs = answerLimitMs }: AdminCall,
  call: (admin: RpcClient<typeof AdminService>, options: CallOptions) => Promise<T>,
): Promise<T> {
  const channel = openRpcChannel({ clock, address: `tcp://${address}`, secret: () => token });
  try {
    return await call(createRpcClient(AdminService, channel), { deadlineMs: limitMs });
  } catch (thrown) {
    throw new Error(`${name} does not answer: ${errorMessage(thrown)}`, { cause: thrown });
  } finally {
    await channel.stop();
  }
}

/** What came of asking. */
export type AdminOutcome =
  | { readonly kind: 'done' }
  /** No proxy could do it; it may have been done all the same. Ask again: that is harmless. */
  | { readonly kind: 'failed'; readonly message: string };

/** Makes a call that changes something for all proxies: of one after the other until one has done it. Never rejects. */
export async function callAnyAdmin(
  { proxies, ...how }: Omit<AdminCall, 'proxy'> & { readonly proxies: readonly ProxyEndpoint[] },
  call: (admin: RpcClient<typeof AdminService>, options: CallOptions) => Promise<unknown>,
): Promise<AdminOutcome> {
  const failures: string[] = [];
  for (const proxy of proxies) {
    try {
      await callAdmin({ ...how, proxy }, call);
      return { kind: 'done' };
    } catch (thrown) {
      failures.push(errorMessage(thrown));
    }
  }
  return { kind: 'failed', message: failures.join('; ') || 'no proxy has an address yet' };
}
