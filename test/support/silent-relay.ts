import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';

/**
 * A way to a server that can fall silent, as when the server's machine loses power: connections
 * stay, new ones are accepted, and nothing moves any more in either direction.
 */
export class SilentRelay implements Stoppable {
  readonly #server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
  readonly #sockets = new Set<Socket>();
  readonly #target: { readonly host: string; readonly port: number };
  #isSilent = false;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
  }

  /** Starts a relay to `address`, as `host:port`. */
  static async start(address: string): Promise<SilentRelay> {
    const colon = address.lastIndexOf(':');
    const target = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
    const relay = new SilentRelay(target);
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on nothing moves. */
  fallSilent(): void {
    this.#isSilent = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Ends the silence for new connections; those of before are gone, as their peer knows nothing of them. */
  speak(): void {
    this.#isSilent = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #accept(near: Socket): void {
    this.#keep(near);
    if (this.#isSilent) return;
    const far = connect(this.#target);
    this.#keep(far);
    this.#join(near, far);
    this.#join(far, near);
    near.resume();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
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
