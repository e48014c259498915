import type { ServerHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import type { Clock, Timer } from '../../../src/base/clock.ts';
import type { Connection } from './connection.ts';
import { decodeFrames, encodeFrame } from './framing.ts';
import type { Metadata } from './metadata.ts';
import { Code, RpcError } from './status.ts';
import { parseTimeout } from './timeout.ts';
import { statusTrailers } from './trailers.ts';

/** What a handler may know of its call. */
export interface CallContext {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly metadata: Metadata;
  readonly connection: Connection;
  /** Aborted with an {@link RpcError} when the caller cancels, the deadline passes or the connection is lost. */
  readonly signal: AbortSignal;
  /** Milliseconds until the caller's deadline; undefined if it set none. */
  remainingMs(): number | undefined;
}

/** A call in progress, on one HTTP/2 stream: messages in, messages out, one status. */
export class ServerCall implements CallContext {
  readonly path: string;
  readonly metadata: Metadata;
  readonly connection: Connection;
  readonly #stream: ServerHttp2Stream;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  readonly #deadlineMs: number | undefined;
  readonly #timer: Timer | undefined;
  #trailers: Readonly<Record<string, string>> = {};
  #finished = false;
  #bytes = 0;

  constructor(options: {
    path: string;
    stream: ServerHttp2Stream;
    metadata: Metadata;
    connection: Connection;
    clock: Clock;
  }) {
    this.path = options.path;
    this.metadata = options.metadata;
    this.connection = options.connection;
    this.#stream = options.stream;
    this.#clock = options.clock;
    const timeoutMs = parseTimeout(options.metadata.get('grpc-timeout'));
    if (timeoutMs !== undefined) {
      this.#deadlineMs = this.#clock.monotonicMs() + timeoutMs;
      const expire = () =>
        this.#cancel(new RpcError(Code.DEADLINE_EXCEEDED, 'context deadline exceeded'));
      this.#timer = this.#clock.after(timeoutMs, expire);
    }
    // A stream that is reset emits an error as well; the abort below says all there is to say.
    this.#stream.on('error', () => {});
    this.#stream.once('close', () => {
      this.#cancel(new RpcError(Code.CANCELLED, 'context canceled'));
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Payload bytes so far, both ways. */
  get payloadBytes(): number {
    return this.#bytes;
  }

  remainingMs(): number | undefined {
    if (this.#deadlineMs === undefined) return undefined;
    return Math.max(0, this.#deadlineMs - this.#clock.monotonicMs());
  }

  /** The messages of the caller, as slowly as they are taken. Ends when the caller half-closes. */
  async *messages(): AsyncGenerator<Buffer> {
    try {
      for await (const message of decodeFrames(this.#stream)) {
        this.#bytes += message.length;
        yield message;
      }
    } catch (error) {
      throw this.signal.aborted ? this.signal.reason : error;
    }
  }

  /** Sends one message; resolves when there is room for the next. */
  async send(message: Uint8Array): Promise<void> {
    this.signal.throwIfAborted();
    if (!this.#stream.headersSent) this.#respond(false);
    this.#bytes += message.length;
    if (!this.#stream.write(encodeFrame(message))) {
      await once(this.#stream, 'drain', { signal: this.signal }).catch(() => {
        throw this.signal.reason;
      });
    }
  }

  /** Ends the call. `trailers` come besides the status; without any message before, all is in one frame. */
  finish(error: RpcError | undefined, trailers: Readonly<Record<string, string>> = {}): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#timer?.cancel();
    if (this.#stream.destroyed || this.#stream.closed) return;
    this.#trailers = { ...(statusTrailers(error) as Record<string, string>), ...trailers };
    if (!this.#stream.headersSent) this.#respond(true);
    else this.#stream.end();
    // What the caller still sends is of no interest, but must not hold back the connection's window.
    this.#stream.resume();
  }

  #respond(trailersOnly: boolean): void {
    const contentType = this.metadata.get('content-type') ?? 'application/grpc';
    const headers = { ':status': 200, 'content-type': contentType };
    if (trailersOnly) {
      this.#stream.respond({ ...headers, ...this.#trailers }, { endStream: true });
      return;
    }
    this.#stream.once('wantTrailers', () => this.#stream.sendTrailers(this.#trailers));
    this.#stream.respond(headers, { waitForTrailers: true });
  }

  #cancel(reason: RpcError): void {
    this.#timer?.cancel();
    if (!this.#finished) this.#abort.abort(reason);
  }
}
