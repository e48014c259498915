import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Duplex } from 'node:stream';
import { type Clock, withTimeout } from '../../../src/base/clock.ts';
import { deferred } from '../../../src/base/deferred.ts';
import type { Stoppable } from '../../../src/base/scope.ts';
import { YamuxSession } from '../../../src/proxy/wire/yamux/session.ts';
import { GrpcClient } from './client.ts';
import { readExactly } from './read-exactly.ts';
import { SocketTransport } from './socket-transport.ts';
import { TransportDuplex } from './transport-duplex.ts';

const connectTimeoutMs = 10_000;
const magic = 'backchannel';
const sidechannelMagic = 'sidechannel';

/** What the server sends when it opens a stream: the bytes behind its opening. */
interface IncomingStream {
  /** The id of a sidechannel. */
  readonly sidechannelId: bigint;
  readonly bytes: Duplex;
}

/** A connection to a node as a proxy has one: gRPC, and sidechannels that the node opens. */
export interface NodeClient extends Stoppable {
  readonly grpc: GrpcClient;
  /** The next sidechannel that the node opens; it is confirmed already. Await it before the call that opens it ends. */
  nextSidechannel(): Promise<IncomingStream>;
}

/**
 * Connects to `tcp://host:port`, `host:port` or `tls://host:port` with the `backchannel` opening.
 *
 * @param trusted certificates that the server's has to be signed by, in PEM
 */
export async function connectToNode(
  address: string,
  clock: Clock,
  trusted?: string,
): Promise<NodeClient> {
  const authority = address.replace(/^(?:tcp|tls):\/\//, '');
  const tls = address.startsWith('tls:') ? { ca: trusted } : undefined;
  const socket = await openSocket(authority, clock, tls);
  let waiting = deferred<IncomingStream>();
  const accept = async (bytes: Duplex) => {
    bytes.on('error', () => {});
    const opening = await readExactly(bytes, sidechannelMagic.length);
    if (opening.toString() !== sidechannelMagic) throw new Error('not a sidechannel');
    const sidechannelId = (await readExactly(bytes, 8)).readBigInt64BE();
    bytes.write('ok');
    waiting.resolve({ sidechannelId, bytes });
  };
  socket.write(magic);
  const session = new YamuxSession({
    transport: new SocketTransport(socket),
    role: 'client',
    clock,
    onStream: (stream) => {
      accept(new TransportDuplex(stream)).catch(() => stream.destroy());
    },
    onClosed: () => {
      socket.destroy();
      waiting.promise.catch(() => {});
      waiting.reject(new Error('the connection was lost'));
    },
  });
  session.start();
  const grpc = new GrpcClient(new TransportDuplex(session.open()), authority);
  return {
    grpc,
    async nextSidechannel() {
      const stream = await waiting.promise;
      waiting = deferred();
      return stream;
    },
    async stop() {
      grpc.destroy();
      session.destroy();
    },
  };
}

async function openSocket(
  authority: string,
  clock: Clock,
  tls: { readonly ca: string | undefined } | undefined,
): Promise<Socket> {
  const match = /^(.*):(\d+)$/.exec(authority);
  const to = { host: match?.[1] ?? '', port: Number(match?.[2] ?? 0), noDelay: true };
  const socket = tls === undefined ? connect(to) : connectTls({ ...to, ...tls });
  const connected = new Promise<void>((resolve, reject) => {
    socket.once(tls === undefined ? 'connect' : 'secureConnect', resolve);
    socket.once('error', reject);
  });
  try {
    await withTimeout(clock, connectTimeoutMs, `connecting to ${authority}`, connected);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  socket.on('error', () => {});
  return socket;
}
