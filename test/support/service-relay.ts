import type { Socket } from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';
import { TcpRelay } from './tcp-relay.ts';

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
  readonly #relay: TcpRelay;
  #endpoints: readonly Endpoint[] = [];
  #turn = 0;

  private constructor(relay: TcpRelay) {
    this.#relay = relay;
  }

  static async start(): Promise<ServiceRelay> {
    const relay = await TcpRelay.start({ allowHalfOpen: true }, (near) => service.#accept(near));
    const service = new ServiceRelay(relay);
    return service;
  }

  get address(): string {
    return this.#relay.address;
  }

  /** New connections lead to these from now on. */
  use(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
  }

  stop(): Promise<void> {
    return this.#relay.stop();
  }

  #accept(near: Socket): void {
    const endpoint = this.#endpoints[this.#turn++ % this.#endpoints.length];
    if (endpoint === undefined) {
      near.destroy();
      return;
    }
    const far = this.#relay.connect({ ...endpoint, allowHalfOpen: true });
    near.pipe(far);
    far.pipe(near);
    near.once('error', () => far.destroy());
    far.once('error', () => near.resetAndDestroy());
  }
}
