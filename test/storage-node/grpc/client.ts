import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { decodeFrames, encodeFrame } from './framing.ts';
import { pathOf } from './handler.ts';
import { Code, RpcError } from './status.ts';
import { formatTimeout } from './timeout.ts';
import { readStatus } from './trailers.ts';

const windowSize = 1024 * 1024;

export interface CallOptions {
  readonly timeoutMs: number;
  /** Cancels the call; it then fails with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A gRPC client on one HTTP/2 connection over given bytes. */
export class GrpcClient {
  readonly #session: ClientHttp2Session;

  /** @param authority what calls name as their host */
  constructor(bytes: Duplex, authority: string) {
    this.#session = connect(`http://${authority}`, {
      createConnection: () => bytes,
      settings: { initialWindowSize: windowSize, enablePush: false },
    });
    this.#session.once('connect', (session) => {
      // It may have been closed before.
      if (!session.destroyed) session.setLocalWindowSize(4 * windowSize);
    });
    // Calls in progress fail by themselves; there is nobody else to tell.
    this.#session.on('error', () => {});
    this.#session.once('close', () => bytes.destroy());
  }

  /** @throws RpcError with the status of the call */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions,
  ): Promise<MessageShape<O>> {
    const { input, output } = method;
    const bytes = toBinary(input, create(input, request));
    for await (const message of this.#call(pathOf(method), bytes, options)) {
      return fromBinary(output, message);
    }
    throw new RpcError(Code.INTERNAL, 'no response message');
  }

  /** @throws RpcError with the status of the call, after the messages that came before it */
  async *serverStreaming<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions,
  ): AsyncGenerator<MessageShape<O>> {
    const { input, output } = method;
    const bytes = toBinary(input, create(input, request));
    for await (const message of this.#call(pathOf(method), bytes, options)) {
      yield fromBinary(output, message);
    }
  }

  /** Drops the connection; calls in progress fail. */
  destroy(): void {
    this.#session.destroy();
  }

  async *#call(path: string, request: Uint8Array, options: CallOptions): AsyncGenerator<Buffer> {
    const stream = this.#open(path, options);
    const failed = failureOf(stream, options);
    try {
      stream.end(encodeFrame(request));
      yield* decodeFrames(stream);
    } catch (error) {
      throw (await failed) ?? error;
    }
    const status = await failed;
    if (status) throw status;
  }

  #open(path: string, options: CallOptions): ClientHttp2Stream {
    if (this.#session.destroyed || this.#session.closed) {
      throw new RpcError(Code.UNAVAILABLE, 'the connection is closed');
    }
    return this.#session.request({
      ':method': 'POST',
      ':path': path,
      te: 'trailers',
      'content-type': 'application/grpc',
      'user-agent': 'storage-node',
      'grpc-timeout': formatTimeout(options.timeoutMs),
      ...options.metadata,
    });
  }
}

/** The status of the call once its stream is closed; undefined if it is OK. */
function failureOf(
  stream: ClientHttp2Stream,
  options: CallOptions,
): Promise<RpcError | Error | undefined> {
  return new Promise((resolve) => {
    let status: RpcError | undefined = new RpcError(Code.UNAVAILABLE, 'the connection was lost');
    let ended: Error | undefined;
    const cancel = (reason: Error) => {
      ended ??= reason;
      stream.close(constants.NGHTTP2_CANCEL);
    };
    const onAbort = () => cancel(options.signal?.reason as Error);
    const timer = setTimeout(
      () => cancel(new RpcError(Code.DEADLINE_EXCEEDED, 'context deadline exceeded')),
      options.timeoutMs,
    );
    stream.on('error', () => {});
    stream.once('response', (headers) => {
      if (headers['grpc-status'] !== undefined) status = readStatus(headers);
    });
    stream.once('trailers', (trailers) => {
      status = readStatus(trailers);
    });
    stream.once('close', () => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      resolve(ended ?? status);
    });
    if (options.signal?.aborted) onAbort();
    else options.signal?.addEventListener('abort', onAbort, { once: true });
  });
}
