import {
  connect,
  createServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { deferred } from '../../../../base/deferred.ts';
import { encodeMessage, GrpcMessageReader } from '../../grpc-frame.ts';
import { errorCodes } from '../errors.ts';
import {
  echoTrailers,
  holdPath,
  resetPath,
  statusOfReset,
  type CallOutcome,
  type PeerCall,
  type PeerClient,
  type PeerOptions,
  type PeerServer,
} from './peer.ts';

/** The server of node:http2. */
export async function startNodeServer(options: PeerOptions): Promise<PeerServer> {
  const server = createServer(settingsOf(options));
  const sessions = new Set<ServerHttp2Session>();
  let cancelled = 0;
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    stream.on('aborted', () => {
      cancelled += 1;
    });
    serveEcho(stream, (name) => headers[name]?.toString());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    get cancelled() {
      return cancelled;
    },
    get connections() {
      return sessions.size;
    },
    goAway() {
      for (const session of sessions) session.close();
    },
    async ping() {
      for (const session of sessions) await pingOf(session);
    },
    async stop() {
      server.close();
      for (const session of sessions) session.destroy();
    },
  };
}

function serveEcho(stream: ServerHttp2Stream, header: (name: string) => string | undefined): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': '0', ...echoTrailers(header) });
  });
  if (header(':path') === resetPath) stream.once('data', () => stream.close(errorCodes.cancel));
  else stream.pipe(stream, { end: header(':path') !== holdPath });
}

/** The client of node:http2. */
export async function connectNodeClient(port: number, options: PeerOptions): Promise<PeerClient> {
  const session = connect(`http://127.0.0.1:${port}`, settingsOf(options));
  session.on('error', () => {});
  await new Promise<void>((resolve) => {
    session.once('connect', () => resolve());
  });
  return {
    call: (path, metadata = {}) => new NodeCall(session, path, metadata),
    get connections() {
      return session.destroyed ? 0 : 1;
    },
    goAway: () => session.close(),
    ping: () => pingOf(session),
    async stop() {
      session.destroy();
    },
  };
}

class NodeCall implements PeerCall {
  readonly messages: Buffer[] = [];
  readonly #outcome = deferred<CallOutcome>();
  readonly #stream: ClientHttp2Stream;

  constructor(
    session: ClientHttp2Session,
    path: string,
    metadata: Readonly<Record<string, string>>,
  ) {
    const reader = new GrpcMessageReader({ maxBytes: 1 << 30 });
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...metadata,
    });
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => {
      const read = reader.push(chunk, 0, chunk.length);
      if (read.kind === 'invalid') throw new Error(read.reason);
      this.messages.push(...read.messages);
    });
    stream.on('trailers', (received) => {
      const entries = Object.entries(received).map(([name, value]) => [name, String(value)]);
      const trailers = Object.fromEntries(entries) as Record<string, string>;
      const status = Number(trailers['grpc-status']);
      stream.on('end', () => this.#outcome.resolve({ status, trailers }));
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      this.#outcome.resolve({ status: statusOfReset(stream.rstCode ?? 0), trailers: {} });
    });
  }

  get outcome(): Promise<CallOutcome> {
    return this.#outcome.promise;
  }

  send(message: Buffer): void {
    this.#stream.write(encodeMessage(message));
  }

  end(): void {
    this.#stream.end();
  }

  cancel(): void {
    this.#stream.close(errorCodes.cancel);
  }
}

function pingOf(session: ClientHttp2Session | ServerHttp2Session): Promise<number> {
  return new Promise((resolve, reject) => {
    session.ping((error, durationMs) => {
      if (error === null) resolve(durationMs);
      else reject(error);
    });
  });
}

function settingsOf({ windowBytes, maxHeaderListBytes }: PeerOptions) {
  return {
    settings: { initialWindowSize: windowBytes, maxHeaderListSize: maxHeaderListBytes },
    maxSendHeaderBlockLength: 1 << 24,
    maxSessionMemory: 100,
  };
}
