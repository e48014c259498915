import type { Socket } from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';
import { TcpRelay } from './tcp-relay.ts';

/**
 * A way to a server that can fall silent, as when the server's machine loses power: connections
 * stay, new ones are accepted, and nothing moves any more in either direction.
 */
export class SilentRelay implements Stoppable {
  readonly #relay: TcpRelay;
  readonly #target: { readonly host: string; readonly port: number };
  #isSilent = false;

  private constructor(relay: TcpRelay, address: string) {
    const colon = address.lastIndexOf(':');
    this.#relay = relay;
    this.#target = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  }

  /** Starts a relay to `address`, as `host:port`. */
  static async start(address: string): Promise<SilentRelay> {
    const relay = await TcpRelay.start({ pauseOnConnect: true }, (near) => silent.#accept(near));
    const silent = new SilentRelay(relay, address);
    return silent;
  }

  get address(): string {
    return this.#relay.address;
  }

  /** From now on nothing moves. */
  fallSilent(): void {
    this.#isSilent = true;
    for (const socket of this.#relay.sockets) socket.pause();
  }

  /** Ends the silence for new connections; those of before are gone, as their peer knows nothing of them. */
  speak(): void {
    this.#isSilent = false;
    for (const socket of this.#relay.sockets) socket.destroy();
  }

  stop(): Promise<void> {
    return this.#relay.stop();
  }

  #accept(near: Socket): void {
    if (this.#isSilent) return;
    const far = this.#relay.connect(this.#target);
    this.#join(near, far);
    this.#join(far, near);
    near.resume();
  }

  #join(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      // What the pause came too late for is lost as well.
      if (!this.#isSilent) to.write(chunk);
    });
    from.on('close', () => {
      if (!this.#isSilent) to.destroy();
    });
  }
}
