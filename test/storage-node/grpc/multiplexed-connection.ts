import type { Socket } from 'node:net';
import type { Clock } from '../../../src/base/clock.ts';
import { YamuxSession } from '../../../src/proxy/wire/yamux/session.ts';
import type { YamuxStream } from '../../../src/proxy/wire/yamux/stream.ts';
import { GrpcClient } from './client.ts';
import type { Backchannel } from './connection.ts';
import type { GrpcServer } from './server.ts';
import { SocketTransport } from './socket-transport.ts';
import { TransportDuplex } from './transport-duplex.ts';

/** Gitaly grants its clients this much a stream. */
const windowBytes = 16 * 1024 * 1024;

/** How long the last bytes may take to leave before the connection is cut. */
const lingerMs = 1_000;

/**
 * Serves a connection that carries yamux: its first stream is the client's gRPC connection, and streams that we open
 * lead back to the client.
 */
export function serveMultiplexed(options: {
  socket: Socket;
  /** Bytes that were read already. */
  initial: Buffer;
  server: GrpcServer;
  clock: Clock;
}): void {
  const { socket, initial, server, clock } = options;
  let client: GrpcClient | undefined;
  let served = false;
  const backchannel: Backchannel = {
    client: () => (client ??= new GrpcClient(backchannel.openStream(), 'backchannel')),
    openStream: () => new TransportDuplex(session.open()),
  };
  const transport = new SocketTransport(socket);
  const session = new YamuxSession({
    transport,
    role: 'server',
    clock,
    maxStreamWindowBytes: windowBytes,
    // What Gitaly has: streams back are opened one at a time.
    acceptBacklog: 1,
    onStream(stream: YamuxStream) {
      if (served) {
        stream.destroy();
        return;
      }
      served = true;
      const bytes = new TransportDuplex(stream);
      bytes.once('close', () => endSoon(session, socket, clock));
      bytes.on('error', () => {});
      server.serve(bytes, { peer: transport.peer, backchannel });
    },
    onClosed: () => {
      client?.destroy();
      socket.destroy();
    },
  });
  session.start(initial);
}

/** The client's gRPC connection is over, and everything else with it; what was written still goes out. */
function endSoon(session: YamuxSession, socket: Socket, clock: Clock): void {
  session.goAway();
  socket.end();
  const timer = clock.after(lingerMs, () => session.destroy());
  socket.once('close', () => timer.cancel());
}
