import {
  create,
  fromBinary,
  toBinary,
  type DescMethodUnary,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import { statusCodes, statusName } from '../../rpc/status.ts';
import { encodeMessage, GrpcMessageReader } from '../wire/grpc-frame.ts';
import { formatTimeout, readStatus, type GrpcStatus } from '../wire/grpc-status.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import type { StreamAbort } from '../wire/http2/stream.ts';
import type { CallOpener } from './waiting-call.ts';

export interface UnaryCallOptions {
  readonly calls: CallOpener;
  /** What the server takes for its own name. */
  readonly authority: string;
  readonly authorization: HeaderField | undefined;
  readonly clock: Clock;
  readonly limitMs: number;
  /** Further metadata. */
  readonly metadata?: readonly HeaderField[];
}

/** A call that the proxy made by itself has failed. */
export class UpstreamError extends Error {
  readonly code: number;
  /** As the storage gave it. */
  readonly status: GrpcStatus;

  constructor(method: string, status: GrpcStatus) {
    super(`${method}: ${statusName(status.code)}: ${status.message}`);
    this.name = 'UpstreamError';
    this.code = status.code;
    this.status = status;
  }
}

/** Answers of the calls that the proxy makes by itself are small. */
const maxResponseBytes = 4 * 1024 * 1024;
const postHeader = headerField(':method', 'POST');
const schemeHeader = headerField(':scheme', 'http');
const contentTypeHeader = headerField('content-type', 'application/grpc');
const trailersHeader = headerField('te', 'trailers');

/**
 * Makes a unary call to a storage.
 *
 * @throws UpstreamError with the status that the storage, or the loss of the connection, gave
 */
export async function callUnary<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: UnaryCallOptions,
): Promise<MessageShape<O>> {
  const path = `/${method.parent.typeName}/${method.name}`;
  const body = encodeMessage(toBinary(method.input, create(method.input, request)));
  return decodeAnswer(path, method.output, await exchange(path, body, options));
}

/**
 * Reads a message of a storage's answer.
 *
 * @throws UpstreamError INTERNAL if it is no such message
 */
export function decodeAnswer<O extends DescMessage>(
  path: string,
  output: O,
  bytes: Buffer,
): MessageShape<O> {
  try {
    return fromBinary(output, bytes);
  } catch (error) {
    const message = `the answer is no ${output.typeName}: ${errorMessage(error)}`;
    throw new UpstreamError(path, { code: statusCodes.INTERNAL, message });
  }
}

/** Sends a message with its prefix, and resolves with the one that comes back, without. */
function exchange(path: string, body: Buffer, options: UnaryCallOptions): Promise<Buffer> {
  const { calls, clock, limitMs } = options;
  const fields = callFields(path, options);
  return new Promise((resolve, reject) => {
    let response: Buffer | undefined;
    const fail = (code: number, message: string) => {
      timer.cancel();
      reject(new UpstreamError(path, { code, message }));
    };
    const finish = (trailers: readonly HeaderField[]) => {
      const status = readStatus(trailers);
      if (status.code !== statusCodes.OK) fail(status.code, status.message);
      else if (response === undefined) fail(statusCodes.INTERNAL, 'the answer holds no message');
      else {
        timer.cancel();
        resolve(response);
      }
    };
    const reader = new GrpcMessageReader({ maxBytes: maxResponseBytes });
    const stream = calls.request(fields, false, {
      onHeaders: (received, endStream) => {
        if (endStream) finish(received);
      },
      onData: (bytes, start, end) => {
        stream?.consumed(end - start);
        const read = reader.push(bytes, start, end);
        if (read.kind === 'invalid') {
          stream?.reset(cancelCode);
          fail(statusCodes.INTERNAL, read.reason);
        } else if (read.messages[0] !== undefined) [response] = read.messages;
      },
      onAbort: (cause) => fail(statusCodes.UNAVAILABLE, describeAbort(cause)),
    });
    const timer = clock.after(limitMs, () => {
      stream?.reset(cancelCode);
      fail(statusCodes.DEADLINE_EXCEEDED, `no answer within ${limitMs} ms`);
    });
    if (stream === undefined) fail(statusCodes.UNAVAILABLE, 'the storage takes no more calls');
    else stream.sendData(body, 0, body.length, true, undefined);
  });
}

/** The header of a call. */
export function callFields(
  path: string,
  { authority, authorization, limitMs, metadata = [] }: UnaryCallOptions,
): readonly HeaderField[] {
  return [
    postHeader,
    schemeHeader,
    headerField(':path', path),
    headerField(':authority', authority),
    contentTypeHeader,
    trailersHeader,
    headerField('grpc-timeout', formatTimeout(limitMs)),
    ...(authorization === undefined ? [] : [authorization]),
    ...metadata,
  ];
}

/** RFC 9113, section 7. */
export const cancelCode = 0x8;

/** Why a stream ended early, for people. */
export function describeAbort(cause: StreamAbort): string {
  switch (cause.kind) {
    case 'reset':
      return `the stream was reset with code ${cause.code}`;
    case 'refused':
      return cause.reason ?? 'the stream was refused';
    case 'connectionLost':
      return `the connection was lost: ${cause.error.message}`;
  }
}
