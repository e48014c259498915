import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';

/** Where a connection may lead. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * What the address of a Service is in Kubernetes: each connection leads to one of the endpoints known
 * at that moment, and stays there, also when that is not an endpoint any more.
 */
export class ServiceRelay implements Stoppable {
  readonly #server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  readonly #sockets = new Set<Socket>();
  #endpoints: readonly Endpoint[] = [];
  #turn = 0;

  static async start(): Promise<ServiceRelay> {
    const relay = new ServiceRelay();
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** New connections lead to these from now on. */
  use(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #accept(near: Socket): void {
    this.#keep(near);
    const endpoint = this.#endpoints[this.#turn++ % this.#endpoints.length];
    if (endpoint === undefined) {
      near.destroy();
      return;
    }
    const far = connect({ ...endpoint, allowHalfOpen: true });
    this.#keep(far);
    near.pipe(far);
    far.pipe(near);
    near.once('error', () => far.destroy());
    far.once('error', () => near.resetAndDestroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
