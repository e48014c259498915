import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { Clock } from '../base/clock.ts';
import { deferred } from '../base/deferred.ts';
import { assertNever } from '../base/errors.ts';
import { dialBackchannel } from '../proxy/wire/backchannel.ts';
import { encodeMessage, GrpcMessageReader } from '../proxy/wire/grpc-frame.ts';
import { readStatus } from '../proxy/wire/grpc-status.ts';
import { headerField, type HeaderField } from '../proxy/wire/hpack/header-field.ts';
import { Keepalive } from '../proxy/wire/http2/keepalive.ts';
import { Http2Session } from '../proxy/wire/http2/session.ts';
import type { Http2Stream, StreamAbort, StreamEvents } from '../proxy/wire/http2/stream.ts';
import { answerSidechannel } from '../proxy/wire/sidechannel.ts';
import type { Transport } from '../proxy/wire/transport.ts';
import type { TypedMethod } from '../rpc/channel.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes, toStatusCode } from '../rpc/status.ts';

export interface MultiplexedCallOptions<I extends DescMessage, O extends DescMessage> {
  /** A connection for this call alone. It belongs to the call from now on. */
  readonly transport: Transport;
  /** The server's name for HTTP/2, `host` or `host:port`. */
  readonly authority: string;
  readonly method: TypedMethod<I, O>;
  readonly request: MessageInitShape<I>;
  /** The value of the metadata key `authorization`. */
  readonly authorization: string;
  readonly clock: Clock;
  /** The server has opened the sidechannel that the call offers. At most once. */
  readonly onSidechannel: (stream: Transport) => void;
}

/** A unary call under way that offers a sidechannel. */
export interface MultiplexedCall<Response> {
  /** The answer; rejects with an RpcError. It has no time limit of its own. */
  readonly response: Promise<Response>;
  /** Ends the call if it is under way, and closes the connection with the sidechannel. */
  close(): void;
}

/** There is one sidechannel on the connection, so that its id can always be the same. */
const sidechannelId = 1n;
const maxResponseBytes = 4 * 1024 * 1024;
/** Gitaly closes connections that ping more often than every 10 s. */
const pingIntervalMs = 12_000;
const pingLimitMs = 5000;

/**
 * Makes a unary call on a connection with a backchannel: the magic, yamux, and HTTP/2 on its first
 * stream. The server answers on a stream of its own, the sidechannel.
 */
export function startMultiplexedCall<I extends DescMessage, O extends DescMessage>(
  options: MultiplexedCallOptions<I, O>,
): MultiplexedCall<MessageShape<O>> {
  const { transport, method, request, clock, onSidechannel } = options;
  const { http2, mux } = dialBackchannel({
    transport,
    clock,
    onSidechannel(id, stream) {
      if (id !== sidechannelId) {
        stream.destroy(new Error(`no sidechannel ${id} was offered`));
        return;
      }
      answerSidechannel(stream);
      onSidechannel(stream);
    },
    onHttp2: (stream) => stream.destroy(new Error('this client serves no calls')),
    onClosed() {},
  });
  const session = new Http2Session({
    transport: http2,
    role: 'client',
    clock,
    events: {
      onRequest() {
        throw new Error('a server makes no requests');
      },
      onClosed: () => keepalive.stop(),
    },
  });
  session.start();
  const keepalive = new Keepalive({
    // Not only what comes on the call's own stream: the sidechannel may be busy for long.
    received: () => mux.receivedBytes,
    ping: (limitMs) => session.ping(limitMs),
    clock,
    intervalMs: pingIntervalMs,
    limitMs: pingLimitMs,
    onSilent: () => mux.destroy(new Error('the server shows no sign of life')),
  });
  const answer = new UnaryAnswer();
  const stream = session.request(requestHeaders(options), false, answer);
  const body = encodeMessage(toBinary(method.input, create(method.input, request)));
  if (stream === undefined) answer.onAbort({ kind: 'refused' });
  else {
    answer.stream = stream;
    stream.sendData(body, 0, body.length, true, undefined);
  }
  return {
    response: answer.message.then((bytes) => fromBinary(method.output, bytes)),
    close: () => mux.destroy(),
  };
}

function requestHeaders(options: {
  readonly authority: string;
  readonly method: TypedMethod<DescMessage, DescMessage>;
  readonly authorization: string;
}): readonly HeaderField[] {
  const { authority, method, authorization } = options;
  return [
    headerField(':method', 'POST'),
    headerField(':scheme', 'http'),
    headerField(':path', `/${method.parent.typeName}/${method.name}`),
    headerField(':authority', authority),
    headerField('content-type', 'application/grpc'),
    headerField('te', 'trailers'),
    headerField('user-agent', 'gitaly-ha'),
    headerField('authorization', authorization, true),
    headerField('gitaly-sidechannel-id', String(sidechannelId)),
  ];
}

/** Waits for the one message of a unary call, and its status. */
class UnaryAnswer implements StreamEvents {
  readonly #result = deferred<Buffer>();
  readonly #reader = new GrpcMessageReader({ maxBytes: maxResponseBytes });
  #message: Buffer | undefined;
  stream: Http2Stream | undefined;

  get message(): Promise<Buffer> {
    return this.#result.promise;
  }

  onHeaders(fields: readonly HeaderField[], endStream: boolean): void {
    if (!endStream) return;
    const { code, message } = readStatus(fields);
    if (code !== statusCodes.OK) this.#fail(new RpcError(toStatusCode(code), message));
    else if (this.#message === undefined) {
      this.#fail(new RpcError(statusCodes.INTERNAL, 'the server answered with no message'));
    } else this.#result.resolve(this.#message);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.stream?.consumed(end - start);
    const read = this.#reader.push(bytes, start, end);
    if (read.kind === 'invalid') this.#fail(new RpcError(statusCodes.INTERNAL, read.reason));
    else this.#message ??= read.messages[0];
  }

  onAbort(cause: StreamAbort): void {
    this.#fail(new RpcError(statusCodes.UNAVAILABLE, describeAbort(cause)));
  }

  #fail(error: RpcError): void {
    this.#result.reject(error);
  }
}

function describeAbort(cause: StreamAbort): string {
  switch (cause.kind) {
    case 'reset':
      return `the server broke the call off (HTTP/2 code ${cause.code})`;
    case 'refused':
      return 'the server takes no more calls on this connection';
    case 'connectionLost':
      return `the connection was lost: ${cause.error.message}`;
    default:
      return assertNever(cause);
  }
}
