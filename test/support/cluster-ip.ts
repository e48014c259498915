import type { Socket } from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';
import { TcpRelay } from './tcp-relay.ts';

export interface ClusterIp extends Stoppable {
  readonly port: number;
  /** Connections that were made, and those of them that are still open at the client's end. */
  readonly connections: { readonly made: number; readonly open: number };
}

export interface ClusterIpOptions {
  /** How long each connection stands still before it leads anywhere. Default 0. */
  readonly delayMs?: number;
}

/**
 * One address for many servers, as a Service's: each connection leads to the next of `targets`, which
 * are ports of loopback. `undefined` is a server whose machine lost power: nothing comes of it.
 */
export async function startClusterIp(
  targets: readonly (number | undefined)[],
  { delayMs = 0 }: ClusterIpOptions = {},
): Promise<ClusterIp> {
  let made = 0;
  let open = 0;
  const lead = (near: Socket, port: number) => {
    const far = relay.connect({ host: '127.0.0.1', port });
    near.pipe(far).pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  };
  const relay = await TcpRelay.start({}, (near) => {
    const target = targets[made % targets.length];
    made += 1;
    open += 1;
    near.on('close', () => (open -= 1));
    if (target === undefined) {
      near.resume();
      return;
    }
    setTimeout(() => lead(near, target), delayMs);
  });
  return {
    port: relay.port,
    get connections() {
      return { made, open };
    },
    stop: () => relay.stop(),
  };
}
