import { createServer, type Socket } from 'node:net';
import type { Logger } from '../../base/logger.ts';
import { Scope, type Stoppable } from '../../base/scope.ts';
import type { GrpcAddress } from '../../proxy/relay/grpc-listener.ts';
import { bindServer, kernelOptions } from '../../proxy/wire/bind-server.ts';

export interface SharedPortsOptions {
  readonly addresses: readonly Pick<GrpcAddress, 'endpoint'>[];
  /** A client has connected to the address of that index. Nothing of it was read. */
  onConnection(connection: Socket, address: number): void;
  readonly logger: Logger;
}

/** What the workers of a pod serve, and their supervisor listens at. */
export interface SharedPorts extends Stoppable {
  /** What was bound, in the order of the addresses; 0 for a unix socket. */
  readonly ports: readonly number[];
  /** Takes no more connections from now on. */
  stop(): Promise<void>;
}

/**
 * Listens at all addresses.
 *
 * @throws Error that names the endpoint that cannot be bound
 */
export async function openSharedPorts(options: SharedPortsOptions): Promise<SharedPorts> {
  const { addresses, onConnection, logger } = options;
  const scope = new Scope();
  const ports: number[] = [];
  try {
    for (const [index, { endpoint }] of addresses.entries()) {
      const server = createServer({ ...kernelOptions, pauseOnConnect: true }, (connection) => {
        // It is not looked at here. Whoever gets it sees what is wrong with it.
        connection.on('error', () => {});
        onConnection(connection, index);
      });
      ports.push(await bindServer(server, endpoint));
      // Running out of file descriptors shows up here: the next connections may work again.
      server.on('error', (error) => logger.warn({ err: error }, 'a connection was refused'));
      // Not awaited: it would wait for connections that are not here any more.
      scope.onStop(() => void server.close());
    }
  } catch (error) {
    await scope.stop();
    throw error;
  }
  return { ports, stop: () => scope.stop() };
}
