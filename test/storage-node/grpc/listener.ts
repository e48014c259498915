import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Clock } from '../../../src/base/clock.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { serveMultiplexed } from './multiplexed-connection.ts';
import type { GrpcServer } from './server.ts';

const magic = Buffer.from('backchannel');

/**
 * When a client that says nothing is asked whether it is still there, how often again, and after how many questions
 * without an answer its connection is lost: as the listener of a program in Go does, which Gitaly leaves as it is.
 * Until then a write whose proxy is gone without a word holds its locks. Node.js before version 26 asks as soon, and then
 * ten times, a second apart.
 */
const keepAlive = { initialDelay: 15_000, interval: 15_000, count: 9 };

/** How long a client may take to send the first bytes. */
const openingTimeoutMs = 120_000;

export interface ListenerOptions {
  readonly server: GrpcServer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Accepts connections, with TLS or without. The first 11 bytes tell what a connection is: plain HTTP/2, or yamux after the
 * word `backchannel`.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #draining = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** @returns where it listens, `host:port` */
  async start(host: string, port: number): Promise<string> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.on('connection', (socket: Socket) => {
      keepsAlive(socket);
      this.#onConnection(socket);
    });
    return this.#listen(server, host, port);
  }

  /** As {@link start}, with TLS. */
  async startTls(
    host: string,
    port: number,
    certificate: { readonly cert: string; readonly key: string },
  ): Promise<string> {
    const options = { allowHalfOpen: true, noDelay: true, ALPNProtocols: ['h2'] };
    const server = createTlsServer({ ...options, ...certificate, minVersion: 'TLSv1.2' });
    // Also one whose handshake fails has to go when the node does.
    server.on('connection', (socket: Socket) => {
      keepsAlive(socket);
      this.#own(socket);
    });
    server.on('secureConnection', (socket: Socket) => this.#onConnection(socket));
    return this.#listen(server, host, port);
  }

  async #listen(server: Server, host: string, port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: 1024 }, resolve);
    });
    this.#servers.push(server);
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not a TCP address');
    return `${host}:${address.port}`;
  }

  /**
   * Serves no new connections and finishes the calls under way. As with Gitaly, the port stays open for so long, but who
   * connects gets no answer.
   *
   * @returns true if all calls ended within `graceMs`
   */
  async drain(graceMs: number): Promise<boolean> {
    this.#draining = true;
    return this.#options.server.drain(graceMs);
  }

  /** Cuts every connection and closes the ports. */
  async close(): Promise<void> {
    this.#draining = true;
    const closed = this.#servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
        }),
    );
    for (const socket of this.#sockets) socket.destroy();
    this.#options.server.destroy();
    await Promise.all(closed);
  }

  #onConnection(socket: Socket): void {
    this.#own(socket);
    socket.on('error', (error) => {
      this.#options.logger.debug({ err: error }, 'socket failed');
    });
    if (this.#draining) return;
    this.#readOpening(socket);
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #readOpening(socket: Socket): void {
    let opening = Buffer.alloc(0);
    const timer = this.#options.clock.after(openingTimeoutMs, () => socket.destroy());
    const onData = (chunk: Buffer) => {
      opening = Buffer.concat([opening, chunk]);
      if (opening.length < magic.length) return;
      timer.cancel();
      socket.off('data', onData);
      socket.pause();
      this.#serve(socket, opening);
    };
    socket.on('data', onData);
    socket.once('close', () => timer.cancel());
    socket.once('end', () => {
      if (opening.length < magic.length) socket.destroy();
    });
    socket.resume();
  }

  #serve(socket: Socket, opening: Buffer): void {
    const { server, clock } = this.#options;
    if (opening.subarray(0, magic.length).equals(magic)) {
      serveMultiplexed({ socket, initial: opening.subarray(magic.length), server, clock });
      return;
    }
    socket.unshift(opening);
    const peer = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    server.serve(socket, { peer, backchannel: undefined });
  }
}

function keepsAlive(socket: Socket): void {
  const { initialDelay, interval, count } = keepAlive;
  // The types are those of a Node.js that does not take the last two.
  const set: (...options: readonly [boolean, ...number[]]) => void = socket.setKeepAlive;
  set.call(socket, true, initialDelay, interval, count);
}
