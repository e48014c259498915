import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { Scope, type Stoppable } from '../../base/scope.ts';
import { acceptConnection } from '../wire/backchannel.ts';
import { Keepalive } from '../wire/http2/keepalive.ts';
import type { Http2Limits } from '../wire/http2/limits.ts';
import { Http2Session } from '../wire/http2/session.ts';
import type { AcceptedConnections } from '../wire/accepted-connections.ts';
import type { Endpoint } from '../wire/bind-server.ts';
import { listenTransport, type ServerTls } from '../wire/socket-transport.ts';
import type { Transport } from '../wire/transport.ts';
import type { YamuxSession } from '../wire/yamux/session.ts';
import type { Dispatcher } from './dispatcher.ts';

/** As with Praefect: a client whose machine is gone does not keep its connection for ever. */
const idleMs = 5 * 60_000;
const pingLimitMs = 20_000;

/** One of the places where clients find the proxy. */
export interface GrpcAddress {
  readonly kind: 'tcp' | 'tls' | 'unix';
  readonly endpoint: Endpoint;
  /** The certificate to show, asked for at each connection. Default: plain text. */
  tls?(): ServerTls;
}

export interface GrpcListenerOptions {
  readonly addresses: readonly GrpcAddress[];
  /** Receives the calls. */
  readonly dispatcher: Pick<Dispatcher, 'onRequest'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** See {@link createReadBuffer}. */
  readonly readBuffer: Buffer;
  /** Of each connection. Default: see {@link Http2Session}. */
  readonly limits?: Partial<Http2Limits>;
  /** Connections that another process accepts at the address of that index. Default: this one listens. */
  acceptedAt?(index: number): AcceptedConnections;
  /** A connection was accepted. Default: nobody wants to know. */
  onConnection?(kind: GrpcAddress['kind']): void;
}

/** Serves clients until it is stopped, which drops those that are left. */
export interface GrpcListener extends Stoppable {
  /** What was bound, in the order of the addresses; 0 for a unix socket. */
  readonly ports: readonly number[];
  /** Connections on which HTTP/2 has begun. */
  readonly connections: number;
  /**
   * Takes no more connections, and sends the clients of those that are open elsewhere: see
   * {@link Http2Session.goAway}. Each closes when its last call has ended.
   */
  close(): Promise<void>;
}

/** Listens for clients: plain HTTP/2, or yamux after the `backchannel` magic. */
export async function startGrpcListener(options: GrpcListenerOptions): Promise<GrpcListener> {
  const { addresses, dispatcher, clock, logger, readBuffer, limits = {} } = options;
  const sessions = new Set<Http2Session>();
  let isClosing = false;
  const serve = (http2: Transport, mux: YamuxSession | undefined) => {
    const session = new Http2Session({
      transport: http2,
      role: 'server',
      clock,
      limits,
      events: {
        onRequest: (stream, fields, endStream) =>
          dispatcher.onRequest(stream, fields, endStream, mux),
        onClosed: (error) => {
          sessions.delete(session);
          keepalive.stop();
          mux?.destroy();
          if (error !== undefined) {
            logger.debug({ peer: session.peer, err: error }, 'connection closed');
          }
        },
      },
    });
    sessions.add(session);
    const keepalive = new Keepalive({
      received: () => session.receivedChunks,
      ping: (limitMs) => session.ping(limitMs),
      clock,
      intervalMs: idleMs,
      limitMs: pingLimitMs,
      onSilent: () => session.destroy(new Error('the client shows no sign of life')),
    });
    session.start();
    // Its first bytes were on their way when the others were told.
    if (isClosing) session.goAway();
  };
  const listeners = new Scope();
  const ports: number[] = [];
  try {
    for (const [index, address] of addresses.entries()) {
      const accepted = options.acceptedAt?.(index);
      const listening = listenTransport({
        ...address,
        ...(accepted && { accepted }),
        readBuffer,
        onConnection: (transport) => {
          options.onConnection?.(address.kind);
          acceptConnection(transport, { clock, onHttp2: serve });
        },
        onRefused: (error) => logger.warn({ err: error }, 'a connection was refused'),
      });
      ports.push(listeners.own(await listening).port);
    }
  } catch (error) {
    await listeners.stop();
    throw error;
  }

  const close = async () => {
    if (isClosing) return;
    isClosing = true;
    await listeners.stop();
    for (const session of sessions) session.goAway();
  };
  return {
    ports,
    get connections() {
      return sessions.size;
    },
    close,
    async stop() {
      await close();
      for (const session of sessions) session.destroy(new Error('the proxy stops'));
    },
  };
}
