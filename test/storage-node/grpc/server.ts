import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../src/base/clock.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { withTimeout } from '../../../src/base/clock.ts';
import { errorMessage } from '../../../src/base/errors.ts';
import type { Connection } from './connection.ts';
import type { Handler } from './handler.ts';
import { metadataFrom, type Metadata } from './metadata.ts';
import { type CallContext, ServerCall } from './server-call.ts';
import { Code, RpcError } from './status.ts';

const windowSize = 1024 * 1024;

/** How long the last bytes of a connection may take to leave. */
const lingerMs = 1_000;

/** The response of a unary method; the others send theirs themselves. */
type Answer = Uint8Array | undefined;

/** What a handler does in one call. */
export type Work = () => Promise<Answer>;

export interface GrpcServerOptions {
  readonly handlers: readonly Handler[];
  /** Services that exist although not all of their methods are served: it shows in the text of the refusal. */
  readonly services: ReadonlySet<string>;
  /** Refuses a call by throwing an {@link RpcError}. */
  authorize(path: string, metadata: Metadata): void;
  /** Trailers of a call whose handler ran. */
  trailers(path: string, payloadBytes: number): Readonly<Record<string, string>>;
  /** Runs around each handler, for faults and metrics. */
  intercept(call: CallContext, work: Work): Promise<Answer>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A gRPC server over connections that it is handed, on node:http2. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#handlers = new Map(options.handlers.map((handler) => [handler.path, handler]));
  }

  /** Serves HTTP/2 on `bytes` until either side ends it. */
  serve(bytes: Duplex, connection: Connection): void {
    const session = performServerHandshake(bytes, {
      settings: { initialWindowSize: windowSize },
    });
    session.setLocalWindowSize(4 * windowSize);
    this.#sessions.add(session);
    session.on('error', (error) => {
      this.#options.logger.debug({ err: error, peer: connection.peer }, 'connection failed');
    });
    session.once('close', () => {
      this.#sessions.delete(session);
      endSoon(bytes, this.#options.clock);
    });
    const onStream = (
      stream: ServerHttp2Stream,
      headers: IncomingHttpHeaders,
      _flags: number,
      rawHeaders: readonly string[],
    ) => {
      this.#serveStream(stream, String(headers[':path']), metadataFrom(rawHeaders), connection);
    };
    session.on('stream', onStream);
  }

  /**
   * Takes no new calls and waits for those under way.
   *
   * @returns true if all of them ended within `graceMs`; otherwise the rest was cut
   */
  async drain(graceMs: number): Promise<boolean> {
    const closed = [...this.#sessions].map(
      (session) => new Promise<void>((resolve) => session.once('close', resolve)),
    );
    for (const session of this.#sessions) {
      sayGoodbye(session);
      session.close();
      // Closing says goodbye once more, without the reason: the last word counts.
      sayGoodbye(session);
    }
    try {
      await withTimeout(this.#options.clock, graceMs, 'the grace period', Promise.all(closed));
      return true;
    } catch {
      this.destroy();
      return false;
    }
  }

  /** Cuts every connection. */
  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }

  #serveStream(
    stream: ServerHttp2Stream,
    path: string,
    metadata: Metadata,
    connection: Connection,
  ): void {
    const { clock, logger } = this.#options;
    const call = new ServerCall({ path, stream, metadata, connection, clock });
    this.#run(call).catch((error: unknown) => {
      logger.error({ err: error, path }, 'call failed outside its handler');
      call.finish(new RpcError(Code.INTERNAL, errorMessage(error)));
    });
  }

  async #run(call: ServerCall): Promise<void> {
    const handler = this.#handlers.get(call.path);
    if (!handler) {
      call.finish(this.#unimplemented(call.path));
      return;
    }
    let work: Work;
    try {
      work = await this.#prepare(handler, call);
    } catch (error) {
      call.finish(toRpcError(error));
      return;
    }
    await this.#perform(call, work);
  }

  async #prepare(handler: Handler, call: ServerCall): Promise<Work> {
    if (handler.kind === 'stream') {
      this.#options.authorize(call.path, call.metadata);
      return async () => {
        await handler.run(call);
        return undefined;
      };
    }
    const first = await call.messages().next();
    if (first.done) throw new RpcError(Code.UNKNOWN, 'EOF');
    const serve = handler.prepare(first.value);
    this.#options.authorize(call.path, call.metadata);
    return () => serve(call);
  }

  async #perform(call: ServerCall, work: Work): Promise<void> {
    const trailers = () => this.#options.trailers(call.path, call.payloadBytes);
    try {
      const answer = await this.#options.intercept(call, work);
      // Gitaly computes the cost of a unary call before its response is counted.
      const success = trailers();
      if (answer) await call.send(answer);
      call.finish(undefined, success);
    } catch (error) {
      const cause: unknown = call.signal.aborted ? call.signal.reason : error;
      this.#options.logger.info({ err: cause, path: call.path }, 'call failed');
      call.finish(toRpcError(cause), trailers());
    }
  }

  #unimplemented(path: string): RpcError {
    const [, service = '', method = ''] = path.split('/');
    const text = this.#options.services.has(service)
      ? `unknown method ${method} for service ${service}`
      : `unknown service ${service}`;
    return new RpcError(Code.UNIMPLEMENTED, text);
  }
}

function sayGoodbye(session: ServerHttp2Session): void {
  if (session.destroyed) return;
  session.goaway(constants.NGHTTP2_NO_ERROR, 0, Buffer.from('graceful_stop'));
}

/** Ends a stream of bytes after what was written, and cuts it if that takes too long. */
function endSoon(bytes: Duplex, clock: Clock): void {
  if (bytes.destroyed) return;
  bytes.end();
  const timer = clock.after(lingerMs, () => bytes.destroy());
  bytes.once('close', () => timer.cancel());
}

/** Gitaly hides the text of an ABORTED status from clients, and keeps the details. */
function toRpcError(error: unknown): RpcError {
  if (!(error instanceof RpcError)) return new RpcError(Code.INTERNAL, errorMessage(error));
  if (error.code !== Code.ABORTED) return error;
  const text = 'The operation could not be completed. Please try again.';
  return new RpcError(error.code, text, error.details);
}
