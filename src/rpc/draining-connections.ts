import type { ClientHttp2Session } from 'node:http2';
import { Http2SubchannelConnector } from '@grpc/grpc-js/build/src/transport.js';

/** What is used of a connection of grpc-js, which keeps it to itself. */
interface PingingTransport {
  readonly session: ClientHttp2Session;
  maybeSendPing(): void;
}

let isDone = false;

/**
 * Makes the connections of grpc-js leave out keepalive pings once their server has sent GOAWAY. The
 * calls that are under way are to end in order then; but Node.js pings no more on such a connection,
 * grpc-js 1.14 takes that for a lost one, and cuts them: <https://github.com/grpc/grpc-node/issues/3068>.
 * It would tell a user that a push has failed, up to 12 s after a proxy began to stop, which was stored.
 *
 * To be removed when that is mended; the test of draining in `client.component.test.ts` tells.
 */
export function sparePingsOfDrainingConnections(): void {
  if (isDone) return;
  isDone = true;
  const connector = Http2SubchannelConnector.prototype;
  const connect = connector.connect;
  connector.connect = async function (...connectionArguments) {
    const connected = await connect.apply(this, connectionArguments);
    const transport = connected as unknown as PingingTransport;
    const sendPing = transport.maybeSendPing.bind(transport);
    transport.maybeSendPing = () => {
      if (!transport.session.closed) sendPing();
    };
    return connected;
  };
}
