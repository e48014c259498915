import { systemClock } from '../../../../base/clock.ts';
import { deferred } from '../../../../base/deferred.ts';
import { statusCodes } from '../../../../rpc/status.ts';
import { encodeMessage, GrpcMessageReader } from '../../grpc-frame.ts';
import { headerField, type HeaderField } from '../../hpack/header-field.ts';
import { connectTransport, createReadBuffer, listenTransport } from '../../socket-transport.ts';
import { errorCodes } from '../errors.ts';
import { Http2Session } from '../session.ts';
import type { Http2Stream, StreamAbort, StreamEvents } from '../stream.ts';
import { fieldsOf, requestHead, responseHead } from '../testing.ts';
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

const pingLimitMs = 5000;

/** Our server sessions on a real port. */
export async function startOwnServer(options: PeerOptions): Promise<PeerServer> {
  const sessions = new Set<Http2Session>();
  let cancelled = 0;
  const listener = await listenTransport({
    endpoint: { host: '127.0.0.1', port: 0 },
    readBuffer: createReadBuffer(),
    onConnection(transport) {
      const session = new Http2Session({
        transport,
        role: 'server',
        clock: systemClock,
        limits: limitsOf(options),
        events: {
          onRequest: (stream, fields) => {
            const onAbort = () => {
              cancelled += 1;
            };
            return serveEcho(stream, fields, onAbort);
          },
          onClosed: () => sessions.delete(session),
        },
      });
      sessions.add(session);
      session.start();
    },
  });
  return {
    port: listener.port,
    get cancelled() {
      return cancelled;
    },
    get connections() {
      return sessions.size;
    },
    goAway() {
      for (const session of sessions) session.goAway();
    },
    async ping() {
      const [session] = sessions;
      await session?.ping(pingLimitMs);
    },
    async stop() {
      await listener.stop();
      for (const session of sessions) session.destroy();
    },
  };
}

function serveEcho(
  stream: Http2Stream,
  fields: readonly HeaderField[],
  onAbort: () => void,
): StreamEvents {
  const valueOf = (name: string) => fields.find((field) => field.name === name)?.value;
  stream.sendHeaders(fieldsOf(responseHead), false);
  return {
    onHeaders() {},
    onData(bytes, start, end, endStream) {
      if (valueOf(':path') === resetPath) {
        stream.reset(errorCodes.cancel);
        return;
      }
      // What was sent is given back: so the windows of both directions hold the client up.
      stream.sendData(bytes, start, end, false, stream);
      if (!endStream || valueOf(':path') === holdPath) return;
      const trailers = { 'grpc-status': '0', ...echoTrailers(valueOf) };
      stream.sendHeaders(fieldsOf(Object.entries(trailers)), true);
    },
    onAbort,
  };
}

/** Our client session on a real connection. */
export async function connectOwnClient(port: number, options: PeerOptions): Promise<PeerClient> {
  let isOpen = true;
  const session = new Http2Session({
    transport: await connectTransport({
      address: { kind: 'tcp', host: '127.0.0.1', port, tls: false },
      timeoutMs: 5000,
      clock: systemClock,
      readBuffer: createReadBuffer(),
    }),
    role: 'client',
    clock: systemClock,
    limits: limitsOf(options),
    events: {
      onRequest: () => {
        throw new Error('a server opens no streams');
      },
      onClosed: () => {
        isOpen = false;
      },
    },
  });
  session.start();
  // Its answer comes after the SETTINGS that say how many streams may be opened.
  await session.ping(pingLimitMs);
  return {
    call: (path, metadata = {}) => new OwnCall(session, path, metadata),
    get connections() {
      return isOpen ? 1 : 0;
    },
    goAway: () => session.goAway(),
    ping: () => session.ping(pingLimitMs),
    async stop() {
      session.destroy();
    },
  };
}

class OwnCall implements PeerCall, StreamEvents {
  readonly messages: Buffer[] = [];
  readonly #reader = new GrpcMessageReader({ maxBytes: 1 << 30 });
  readonly #outcome = deferred<CallOutcome>();
  readonly #stream: Http2Stream;

  constructor(session: Http2Session, path: string, metadata: Readonly<Record<string, string>>) {
    const head = fieldsOf(
      requestHead.map(([name, value]) => [name, name === ':path' ? path : value]),
    );
    const extra = Object.entries(metadata).map(([name, value]) => headerField(name, value));
    const stream = session.request([...head, ...extra], false, this);
    if (stream === undefined) throw new Error(`no stream can be opened: ${session.state}`);
    this.#stream = stream;
  }

  get outcome(): Promise<CallOutcome> {
    return this.#outcome.promise;
  }

  send(message: Buffer): void {
    const encoded = encodeMessage(message);
    this.#stream.sendData(encoded, 0, encoded.length, false, undefined);
  }

  end(): void {
    this.#stream.sendData(Buffer.alloc(0), 0, 0, true, undefined);
  }

  cancel(): void {
    this.#stream.reset(errorCodes.cancel);
    this.#outcome.resolve({ status: statusCodes.CANCELLED, trailers: {} });
  }

  onHeaders(fields: readonly HeaderField[], endStream: boolean): void {
    if (!endStream) return;
    const trailers = Object.fromEntries(fields.map(({ name, value }) => [name, value]));
    this.#outcome.resolve({ status: Number(trailers['grpc-status']), trailers });
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const read = this.#reader.push(bytes, start, end);
    if (read.kind === 'invalid') throw new Error(read.reason);
    this.messages.push(...read.messages);
    this.#stream.consumed(end - start);
  }

  onAbort(cause: StreamAbort): void {
    const status = cause.kind === 'reset' ? statusOfReset(cause.code) : statusCodes.UNAVAILABLE;
    this.#outcome.resolve({ status, trailers: {} });
  }
}

function limitsOf({ windowBytes, maxHeaderListBytes }: PeerOptions) {
  return {
    streamWindowBytes: windowBytes,
    connectionWindowBytes: 4 * windowBytes,
    maxHeaderListBytes,
  };
}
