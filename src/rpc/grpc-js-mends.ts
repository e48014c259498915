import type { ClientHttp2Session } from 'node:http2';
import { Subchannel } from '@grpc/grpc-js/build/src/subchannel.js';
import { Http2SubchannelConnector } from '@grpc/grpc-js/build/src/transport.js';

let isDone = false;

/**
 * Mends what grpc-js 1.14 does wrong, in the only place that reaches into it. Each is to be removed when it is mended
 * there; a test in `client.component.test.ts` tells.
 */
export function mendGrpcJs(): void {
  if (isDone) return;
  isDone = true;
  sparePingsOfDrainingConnections();
  restSubchannelsOfClosedChannels();
}

/** What is used of a connection of grpc-js, which keeps it to itself. */
interface PingingTransport {
  readonly session: ClientHttp2Session;
  maybeSendPing(): void;
}

/**
 * Makes connections leave out keepalive pings once their server has sent GOAWAY. The
 * calls that are under way are to end in order then; but Node.js pings no more on such a connection,
 * grpc-js takes that for a lost one, and cuts them: <https://github.com/grpc/grpc-node/issues/3068>.
 * It would tell a user that a push has failed, up to 12 s after a proxy began to stop, which was stored.
 */
function sparePingsOfDrainingConnections(): void {
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

/** What is used of a subchannel: whether anybody has it, and whether it tries again after its next wait. */
interface WaitingSubchannel {
  readonly refcount: number;
  continueConnecting: boolean;
}

/**
 * Makes channels that are closed between two attempts to connect make no more. Without that the next attempt that
 * works leaves a connection that nobody uses, and nobody closes.
 */
function restSubchannelsOfClosedChannels(): void {
  const subchannel = Subchannel.prototype;
  const unref = subchannel.unref;
  subchannel.unref = function () {
    unref.call(this);
    const waiting = this as unknown as WaitingSubchannel;
    if (waiting.refcount === 0) waiting.continueConnecting = false;
  };
}
