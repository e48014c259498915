import { connect as connectSocket, createServer, isIP, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import type { Stoppable } from '../../base/scope.ts';
import { type Address, formatAddress } from '../../rpc/address.ts';
import { takeConnections, type AcceptedConnections } from './accepted-connections.ts';
import { bindServer, kernelOptions, type Endpoint } from './bind-server.ts';
import { ConnectionAttempt } from './connection-attempt.ts';
import { createSocketTransport, moveHandle, readInto } from './net-socket.ts';
import type { Transport } from './transport.ts';

const readBufferBytes = 256 * 1024;
const tlsServerOptions = { minVersion: 'TLSv1.2' } as const;
/** The writing half outlives the reading half. */
const socketOptions = { allowHalfOpen: true, ...kernelOptions } as const;

/**
 * Memory that all sockets of a thread may read into, because a chunk is used up before the next
 * read begins. It spares a 64 KiB allocation a read: two thirds of the CPU of a bulk transfer.
 */
export function createReadBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(readBufferBytes);
}

/** How a TLS server is verified. */
interface ClientTls {
  /** Certificates that are trusted, in PEM. Default: those of Node.js. */
  readonly ca?: string;
  /** The name that the server's certificate has to have. Default: the address's host. */
  readonly serverName?: string;
  /** The server was verified; when its certificate ends, in milliseconds since 1970. */
  onVerified?(notAfterMs: number): void;
}

export interface ConnectOptions {
  readonly address: Address;
  /** Only used if the address asks for TLS. */
  readonly tls?: ClientTls;
  /** Limit for name lookup, connection and TLS handshake together. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** See {@link createReadBuffer}. Without it, and with TLS, each read has memory of its own. */
  readonly readBuffer?: Buffer;
  /**
   * Whether `destroy` also takes back what was written and has not arrived, by a TCP reset. Default: while the
   * network is away the kernel goes on trying to send it, and it arrives when the network is back.
   */
  readonly resetsOnDestroy?: boolean;
}

/**
 * Connects. The transport is not started.
 *
 * @throws Error that names the address, with the socket's error as its cause; TimeoutError after
 *   `timeoutMs`; an error with the signal's reason as its cause
 */
export async function connectTransport(options: ConnectOptions): Promise<Transport> {
  const { address, readBuffer, resetsOnDestroy = false } = options;
  const attempt = new ConnectionAttempt(options, formatAddress(address));
  const isUnix = address.kind === 'unix';
  const isSecured = !isUnix && address.tls;
  const reading = readBuffer === undefined || isSecured ? undefined : readInto(readBuffer);
  const target = isUnix ? { path: address.path } : { host: address.host, port: address.port };
  const socket = connectSocket({ ...socketOptions, ...target, ...reading?.options });
  const reset = resetsOnDestroy && !isUnix ? () => void socket.resetAndDestroy() : undefined;
  if (!isSecured) {
    const plain = { ...(reading && { reading }), ...(reset && { drop: reset }) };
    const transport = createSocketTransport(socket, attempt.peer, plain);
    await attempt.opens(socket, 'connect');
    return transport;
  }
  await attempt.opens(socket, 'connect');
  const secured = secure(socket, address.host, options.tls);
  const drop = () => {
    reset?.();
    secured.destroy();
  };
  const transport = createSocketTransport(secured, attempt.peer, { drop });
  await attempt.opens(secured, 'secureConnect');
  return transport;
}

/** Begins a TLS handshake on a connection. */
function secure(socket: Socket, host: string, tls: ClientTls = {}): TLSSocket {
  const secured = connectTls({
    socket,
    host,
    servername: tls.serverName ?? serverNameOf(host),
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.2',
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
  });
  socket.on('error', (error) => secured.destroy(error));
  secured.once('secureConnect', () => {
    tls.onVerified?.(Date.parse(secured.getPeerCertificate().valid_to));
  });
  return secured;
}

/** RFC 6066 section 3: a server name is a name, never an IP address. */
function serverNameOf(host: string): string {
  return isIP(host) === 0 ? host : '';
}

/** The certificate that a TLS server shows, in PEM. */
export interface ServerTls {
  readonly key: string;
  readonly cert: string;
}

export interface ListenOptions {
  readonly endpoint: Endpoint;
  /** Where the connections come from. Default: this process listens at the endpoint. */
  readonly accepted?: AcceptedConnections;
  /** Asked at each connection: another object than before is a new certificate. Default: plain text. */
  tls?(): ServerTls;
  /** See {@link createReadBuffer}. Not used with TLS. */
  readonly readBuffer?: Buffer;
  /** Connections beyond this are closed at once. Default 10000. */
  readonly maxConnections?: number;
  /** How long a TLS handshake may take. Default 10 s. */
  readonly tlsHandshakeLimitMs?: number;
  /** A connection, after its TLS handshake if there is one. It belongs to the callee. */
  onConnection(transport: Transport): void;
  /** A connection was refused, or its TLS handshake failed. */
  onRefused?(error: Error): void;
}

/** Accepts connections until it is stopped. Those that were accepted live on after that. */
export interface TransportListener extends Stoppable {
  /** The port that was bound; 0 for a unix socket, and where another process listens. */
  readonly port: number;
}

/**
 * Listens. The file that a process left behind which listened on the same path is removed.
 *
 * @throws Error that names the endpoint, with the socket's error as its cause
 */
export async function listenTransport(options: ListenOptions): Promise<TransportListener> {
  const { endpoint, accepted } = options;
  const server = options.tls === undefined ? createPlain(options) : createTls(options, options.tls);
  if (accepted !== undefined) {
    const taking = takeConnections(server, accepted);
    return { port: 0, stop: () => taking.stop() };
  }
  const port = await bindServer(server, endpoint);
  // Running out of file descriptors shows up here: the next connections may work again.
  server.on('error', (error) => options.onRefused?.(error));
  return {
    port,
    stop() {
      // Not awaited: it would wait for the connections, which are not ours any more.
      server.close();
      return Promise.resolve();
    },
  };
}

function createPlain(options: ListenOptions): Server {
  const admit = admission(options);
  return createServer({ ...socketOptions, pauseOnConnect: true }, (accepted) => {
    const reading = options.readBuffer === undefined ? undefined : readInto(options.readBuffer);
    const moved = reading === undefined ? undefined : moveHandle(accepted, reading);
    const socket = moved ?? accepted;
    if (!admit(socket)) return;
    const peer = peerOf(socket, options.endpoint);
    options.onConnection(createSocketTransport(socket, peer, moved && reading && { reading }));
  });
}

function createTls(options: ListenOptions, tls: () => ServerTls): Server {
  const admit = admission(options);
  let shown = tls();
  const server = createTlsServer({
    ...socketOptions,
    ...tlsServerOptions,
    ...shown,
    // A client that offers no protocol at all is accepted, as gRPC in Go does on request.
    ALPNProtocols: ['h2'],
    handshakeTimeout: options.tlsHandshakeLimitMs ?? 10_000,
  });
  // First of all, so that this connection gets what is current.
  server.prependListener('connection', () => {
    const current = tls();
    if (current === shown) return;
    shown = current;
    server.setSecureContext({ ...tlsServerOptions, ...shown });
  });
  server.on('connection', admit);
  server.on('tlsClientError', (error, socket) => {
    // Node.js leaves one open whose handshake has taken too long.
    socket.destroy();
    options.onRefused?.(error);
  });
  server.on('secureConnection', (socket) => {
    options.onConnection(createSocketTransport(socket, peerOf(socket, options.endpoint)));
  });
  return server;
}

/** Counts connections and closes those that are too many. */
function admission(options: ListenOptions) {
  const { maxConnections = 10_000 } = options;
  let open = 0;
  return (socket: Socket): boolean => {
    if (open >= maxConnections) {
      socket.destroy();
      options.accepted?.onClosed();
      options.onRefused?.(new Error(`there are ${maxConnections} connections already`));
      return false;
    }
    open += 1;
    socket.once('close', () => {
      open -= 1;
      options.accepted?.onClosed();
    });
    return true;
  };
}

function peerOf({ remoteAddress = '', remotePort = 0 }: Socket, endpoint: Endpoint): string {
  return 'path' in endpoint
    ? formatAddress({ kind: 'unix', path: endpoint.path })
    : formatAddress({ kind: 'tcp', host: remoteAddress, port: remotePort, tls: false });
}
