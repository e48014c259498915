import type { Socket } from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';
import { throttle } from './throttle.ts';
import { TcpRelay } from './tcp-relay.ts';

/** Where a connection may lead. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface ServiceRelayOptions {
  /** How fast answers come, each connection for itself. Default: as fast as they can. */
  readonly bytesPerSecond?: number;
}

/**
 * What the address of a Service is in Kubernetes: each connection leads to one of the endpoints known
 * at that moment, and stays there, also when that is not an endpoint any more.
 */
export class ServiceRelay implements Stoppable {
  readonly #relay: TcpRelay;
  readonly #bytesPerSecond: number | undefined;
  #endpoints: readonly Endpoint[] = [];
  #turn = 0;

  private constructor(relay: TcpRelay, { bytesPerSecond }: ServiceRelayOptions) {
    this.#relay = relay;
    this.#bytesPerSecond = bytesPerSecond;
  }

  static async start(options: ServiceRelayOptions = {}): Promise<ServiceRelay> {
    const relay = await TcpRelay.start({ allowHalfOpen: true }, (near) => service.#accept(near));
    const service = new ServiceRelay(relay, options);
    return service;
  }

  /** As `host:port`. */
  get address(): string {
    return this.#relay.address;
  }

  get endpoint(): Endpoint {
    return { host: '127.0.0.1', port: this.#relay.port };
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
    const answers =
      this.#bytesPerSecond === undefined ? far : far.pipe(throttle(this.#bytesPerSecond));
    answers.pipe(near);
    near.once('error', () => far.destroy());
    far.once('error', () => near.resetAndDestroy());
  }
}
