import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
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
import { stoppingStatus, type ServerCall } from './server-call.ts';

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

/** A unary method: one message in, one out. */
export function unaryMethod<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  handle: (request: MessageShape<I>, call: ServerCall) => Promise<MessageInitShape<O>>,
  options: { readonly needsToken: boolean } = { needsToken: true },
): LocalMethod {
  return localMethod(method, options.needsToken, async (request, call) => {
    const response = await handle(request, call);
    call.reply(encodeMessage(toBinary(method.output, create(method.output, response))));
  });
}

/** A method that answers with any number of messages. */
export function streamingMethod<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  handle: (request: MessageShape<I>) => AsyncIterable<MessageInitShape<O>>,
): LocalMethod {
  return localMethod(method, true, async (request, call) => {
    for await (const response of handle(request)) {
      if (call.ended) return;
      const message = encodeMessage(toBinary(method.output, create(method.output, response)));
      await call.sendMessage(message);
    }
    call.succeed();
  });
}

function localMethod<I extends DescMessage>(
  method: {
    readonly parent: { readonly typeName: string };
    readonly name: string;
    readonly input: I;
  },
  needsToken: boolean,
  answer: (request: MessageShape<I>, call: ServerCall) => Promise<void>,
): LocalMethod {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    needsToken,
    async serve(call) {
      // Whatever else the client sends is of no use; it only has to be let through.
      call.attach({
        onData: (_bytes, start, end) => call.credit.consumed(end - start),
        onAbort() {},
        onStop: () => call.fail(stoppingStatus),
      });
      try {
        await answer(decode(method.input, call.firstMessage), call);
      } catch (error) {
        call.fail(statusOf(error));
      }
    },
  };
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
