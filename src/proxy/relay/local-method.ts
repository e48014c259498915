import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { errorMessage } from '../../base/errors.ts';
import { statusCodes, type StatusCode } from '../../rpc/status.ts';
import { encodeMessage } from '../wire/grpc-frame.ts';
import { StoreUnavailableError } from '../store/control-store.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import type { GrpcStatus } from '../wire/grpc-status.ts';
import { exchangeMessages } from './message-exchange.ts';
import { cutStatus, type RequestSink, type ServerCall } from './server-call.ts';

/** A method that the proxy answers itself. */
export interface LocalMethod {
  readonly path: string;
  /** False for what has to work without a token. */
  readonly needsToken: boolean;
  /** Answers the call, whose first message is there. Never rejects. */
  serve(call: ServerCall): Promise<void>;
}

/** Ends a local call with a status. */
export class LocalCallError extends Error {
  readonly code: StatusCode;

  constructor(code: StatusCode, message: string) {
    super(message);
    this.name = 'LocalCallError';
    this.code = code;
  }
}

export interface LocalMethodOptions {
  /** Default true. */
  readonly needsToken?: boolean;
}

/** A unary method: one message in, one out. */
export function unaryMethod<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  handle: (request: MessageShape<I>, call: ServerCall) => Promise<MessageInitShape<O>>,
  options: LocalMethodOptions = {},
): LocalMethod {
  return localMethod(method, options, async (call) => {
    call.attach(restIgnored(call));
    call.reply(encode(method.output, await handle(decode(method.input, call.firstMessage), call)));
  });
}

/**
 * A method that answers with any number of messages. `signal` is aborted when nobody waits for them
 * any more; they are not asked for then.
 */
export function streamingMethod<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  handle: (request: MessageShape<I>, signal: AbortSignal) => AsyncIterable<MessageInitShape<O>>,
  options: LocalMethodOptions = {},
): LocalMethod {
  return localMethod(method, options, async (call) => {
    const ending = new AbortController();
    call.attach(restIgnored(call, () => ending.abort()));
    const request = decode(method.input, call.firstMessage);
    for await (const response of handle(request, ending.signal)) {
      if (call.ended) return;
      await call.sendMessage(encode(method.output, response));
    }
    call.succeed();
  });
}

/** A method that answers each message with one, in their order. */
export function exchangeMethod<I extends DescMessage, O extends DescMessage>(
  method: DescMethodBiDiStreaming<I, O>,
  answer: (request: MessageShape<I>) => MessageInitShape<O>,
): LocalMethod {
  return localMethod(method, {}, (call) =>
    exchangeMessages(call, (request) =>
      encode(method.output, answer(decode(method.input, request))),
    ),
  );
}

function localMethod(
  method: { readonly parent: { readonly typeName: string }; readonly name: string },
  { needsToken = true }: LocalMethodOptions,
  answer: (call: ServerCall) => Promise<void>,
): LocalMethod {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    needsToken,
    async serve(call) {
      try {
        await answer(call);
      } catch (error) {
        call.fail(statusOf(error));
      }
    },
  };
}

/** Whatever else the client sends is of no use; it only has to be let through. */
function restIgnored(call: ServerCall, onEnd = () => {}): RequestSink {
  return {
    onData: (_bytes, start, end) => call.credit.consumed(end - start),
    onAbort: onEnd,
    onCut(reason) {
      call.fail(cutStatus(reason));
      onEnd();
    },
  };
}

function encode<O extends DescMessage>(output: O, response: MessageInitShape<O>): Buffer {
  return encodeMessage(toBinary(output, create(output, response)));
}

function decode<I extends DescMessage>(input: I, bytes: Buffer): MessageShape<I> {
  try {
    return fromBinary(input, bytes);
  } catch (error) {
    throw new LocalCallError(
      statusCodes.INTERNAL,
      `the request is no ${input.typeName}: ${errorMessage(error)}`,
    );
  }
}

/** The status that a failure of the proxy's own becomes. */
export function statusOf(error: unknown): GrpcStatus {
  const message = errorMessage(error);
  if (error instanceof LocalCallError || error instanceof UpstreamError) {
    return { code: error.code, message };
  }
  if (error instanceof StoreUnavailableError) return { code: statusCodes.UNAVAILABLE, message };
  return { code: statusCodes.INTERNAL, message };
}
