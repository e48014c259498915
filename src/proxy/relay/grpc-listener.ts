import { sleep, type Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stoppable } from '../../base/scope.ts';
import { acceptConnection } from '../wire/backchannel.ts';
import { Http2Session } from '../wire/http2/session.ts';
import { listenTransport } from '../wire/socket-transport.ts';
import type { Transport } from '../wire/transport.ts';
import type { YamuxSession } from '../wire/yamux/session.ts';
import type { Dispatcher } from './dispatcher.ts';

export interface GrpcListenerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Receives the calls. */
  readonly dispatcher: Pick<Dispatcher, 'onRequest'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** See {@link createReadBuffer}. */
  readonly readBuffer: Buffer;
  /** How long running calls may go on after `stop`. */
  readonly stopLimitMs: number;
}

const recheckMs = 20;

/**
 * Listens for clients: plain HTTP/2, or yamux after the `backchannel` magic. Stopping tells clients
 * to go elsewhere, lets running calls finish, and then closes the connections.
 */
export async function startGrpcListener(
  options: GrpcListenerOptions,
): Promise<Stoppable & { readonly port: number }> {
  const { host, port, dispatcher, clock, logger, readBuffer, stopLimitMs } = options;
  const sessions = new Set<Http2Session>();
  const serve = (http2: Transport, mux: YamuxSession | undefined) => {
    const session = new Http2Session({
      transport: http2,
      role: 'server',
      clock,
      events: {
        onRequest: (stream, fields, endStream) =>
          dispatcher.onRequest(stream, fields, endStream, mux),
        onClosed: (error) => {
          sessions.delete(session);
          mux?.destroy();
          if (error !== undefined) {
            logger.debug({ peer: session.peer, err: error }, 'connection closed');
          }
        },
      },
    });
    sessions.add(session);
    session.start();
  };
  const listener = await listenTransport({
    endpoint: { host, port },
    readBuffer,
    onConnection: (transport) => acceptConnection(transport, { clock, onHttp2: serve }),
    onRefused: (error) => logger.warn({ err: error }, 'a connection was refused'),
  });

  const drain = async () => {
    await listener.stop();
    for (const session of sessions) session.goAway();
    const giveUpAtMs = clock.monotonicMs() + stopLimitMs;
    while (sessions.size > 0 && clock.monotonicMs() < giveUpAtMs) {
      const busy = [...sessions].filter((session) => session.activeStreams > 0);
      if (busy.length === 0) break;
      await sleep(clock, recheckMs);
    }
    for (const session of sessions) session.destroy(new Error('the proxy stops'));
  };
  let stopped: Promise<void> | undefined;
  return {
    port: listener.port,
    stop() {
      stopped ??= drain();
      return stopped;
    },
  };
}
