import {
  connect,
  createServer,
  type AddressInfo,
  type Server,
  type ServerOpts,
  type Socket,
  type TcpNetConnectOpts,
} from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';

/**
 * A TCP server on loopback, and the connections that it makes for those that it takes. Where these lead
 * is told by whoever starts it. An error on a connection is nobody's failure.
 */
export class TcpRelay implements Stoppable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: ServerOpts, accept: (near: Socket) => void) {
    this.#server = createServer(options, (near) => {
      this.#keep(near);
      accept(near);
    });
  }

  /** @param accept gets each connection that is made to the relay */
  static async start(options: ServerOpts, accept: (near: Socket) => void): Promise<TcpRelay> {
    const relay = new TcpRelay(options, accept);
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** As `host:port`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** All that are open, at either side. */
  get sockets(): ReadonlySet<Socket> {
    return this.#sockets;
  }

  /** Makes a connection, which ends with the relay. */
  connect(target: TcpNetConnectOpts): Socket {
    const far = connect(target);
    this.#keep(far);
    return far;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
