import { connect as connectHttp2, type ClientHttp2Session, constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../../../src/base/clock.ts';
import { deferred } from '../../../src/base/deferred.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import {
  RefTransaction,
  type StopTransactionRequest,
  type VoteTransactionRequest,
  type VoteTransactionResponse_TransactionState as State,
} from '../../../src/gen/gitaly/transaction_pb.ts';
import { YamuxSession } from '../../../src/proxy/wire/yamux/session.ts';
import { decodeFrames, encodeFrame } from '../grpc/framing.ts';
import { unary } from '../grpc/handler.ts';
import { readExactly } from '../grpc/read-exactly.ts';
import { GrpcServer } from '../grpc/server.ts';
import { SocketTransport } from '../grpc/socket-transport.ts';
import type { RpcError } from '../grpc/status.ts';
import { readStatus } from '../grpc/trailers.ts';
import { TransportDuplex } from '../grpc/transport-duplex.ts';

/** What a peer does when the node comes to it. */
export interface PeerEvents {
  /** Answers a vote, or throws an {@link RpcError}, or never settles. */
  onVote(request: VoteTransactionRequest): Promise<State>;
  onStop(request: StopTransactionRequest): void;
  /** The node opened a sidechannel with this id; the bytes come after the id. */
  onSidechannel(id: bigint, bytes: Duplex): void;
}

/** One call as its caller sees it. */
export interface PeerCall {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly messages: readonly Buffer[];
  readonly halfClose: boolean;
  readonly timeoutMs: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

export interface PeerOutcome {
  readonly messages: readonly Buffer[];
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** Undefined: OK. 'cut': the connection ended first. 'cancelled': by the deadline or the signal. */
  readonly status: RpcError | undefined | 'cut' | 'cancelled';
}

/**
 * A client of the node in the place of a proxy: one connection, raw messages, and the services that the node calls
 * back.
 */
export class Peer {
  readonly #socket: Socket;
  readonly #http2: ClientHttp2Session;

  /** Resolves when the node has said that it takes no more calls. */
  readonly saidGoodbye: Promise<void>;
  /** Resolves when the node has ended the connection, or we have. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket, bytes: Duplex) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('end', resolve);
      socket.once('close', () => resolve());
    });
    this.#http2 = connectHttp2('http://node', { createConnection: () => bytes });
    this.#http2.on('error', () => {});
    this.saidGoodbye = new Promise((resolve) => {
      this.#http2.once('goaway', () => resolve());
    });
  }

  /** Connects with the `backchannel` opening. */
  static async multiplexed(address: string, events: PeerEvents): Promise<Peer> {
    const socket = await connectTo(address);
    socket.write('backchannel');
    const server = voteServer(events);
    const session = new YamuxSession({
      transport: new SocketTransport(socket),
      role: 'client',
      clock: systemClock,
      onStream: (stream) => {
        routeStream(new TransportDuplex(stream), server, events).catch(() => stream.destroy());
      },
      onClosed: () => socket.destroy(),
    });
    session.start();
    return new Peer(socket, new TransportDuplex(session.open()));
  }

  /** Connects with plain HTTP/2. */
  static async plain(address: string): Promise<Peer> {
    const socket = await connectTo(address);
    return new Peer(socket, socket);
  }

  call(call: PeerCall): Promise<PeerOutcome> {
    const { promise, resolve } = deferred<PeerOutcome>();
    const stream = this.#http2.request({
      ':method': 'POST',
      ':path': call.path,
      te: 'trailers',
      'content-type': 'application/grpc+proto',
      'grpc-timeout': `${call.timeoutMs}m`,
      ...call.headers,
    });
    const received: Buffer[] = [];
    let headers: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    let ended: 'cut' | 'cancelled' = 'cut';
    const cancel = () => {
      ended = 'cancelled';
      stream.close(constants.NGHTTP2_CANCEL);
    };
    const timer = systemClock.after(call.timeoutMs, cancel);
    call.signal?.addEventListener('abort', cancel, { once: true });
    stream.on('error', () => {});
    stream.once('response', (value) => (headers = value));
    stream.once('trailers', (value) => (trailers = value));
    const reading = (async () => {
      for await (const message of decodeFrames(stream)) received.push(Buffer.from(message));
    })().catch(() => {});
    stream.once('close', () => {
      timer.cancel();
      const end = 'grpc-status' in headers ? headers : trailers;
      const status = 'grpc-status' in end ? readStatus(end as never) : ended;
      const finish = () => resolve({ messages: received, headers, trailers, status });
      reading.then(finish, finish);
    });
    for (const message of call.messages) stream.write(encodeFrame(message));
    if (call.halfClose) stream.end();
    return promise;
  }

  /** Drops the connection at once. */
  cut(): void {
    this.#socket.destroy();
    this.#http2.destroy();
  }
}

async function connectTo(address: string): Promise<Socket> {
  const [host = '', port] = address.split(':');
  const socket = connect({ host, port: Number(port) });
  socket.setNoDelay();
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  return socket;
}

function voteServer(events: PeerEvents): GrpcServer {
  const { voteTransaction, stopTransaction } = RefTransaction.method;
  return new GrpcServer({
    handlers: [
      unary(voteTransaction, async (request) => ({ state: await events.onVote(request) })),
      unary(stopTransaction, async (request) => {
        events.onStop(request);
        return {};
      }),
    ],
    services: new Set(),
    authorize() {},
    trailers: () => ({}),
    intercept: (_call, work) => work(),
    clock: systemClock,
    logger: silentLogger,
  });
}

/** The first 11 bytes tell a sidechannel from gRPC. */
async function routeStream(bytes: Duplex, server: GrpcServer, events: PeerEvents): Promise<void> {
  bytes.on('error', () => {});
  const opening = await readExactly(bytes, 11);
  if (opening.toString() !== 'sidechannel') {
    bytes.unshift(opening);
    server.serve(bytes, { peer: 'node', backchannel: undefined });
    return;
  }
  const id = await readExactly(bytes, 8);
  events.onSidechannel(id.readBigInt64BE(), bytes);
}
