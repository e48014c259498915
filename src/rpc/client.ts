import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { assertNever } from '../base/errors.ts';
import type { CallOptions, RpcCaller } from './channel.ts';
import { RpcError } from './rpc-error.ts';
import { statusCodes } from './status.ts';
import type { RpcStream } from './stream.ts';

/** A call that sends many messages and gets one. */
export interface ClientStreamCall<Request, Response> {
  /** See {@link RpcStream.write}. */
  write(message: Request): Promise<boolean>;
  /** Says that no more messages follow, and resolves with the answer. */
  finish(): Promise<Response>;
  cancel(): void;
}

/**
 * The methods of a service as functions, by the names that protobuf-es gives them.
 * Each rejects with an RpcError if the call ends with another status than OK.
 */
export type RpcClient<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: MethodFunction<Service['method'][Name]>;
};

type MethodFunction<Method> =
  Method extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : Method extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : Method extends DescMethodClientStreaming<infer I, infer O>
        ? (options?: CallOptions) => Promise<ClientStreamCall<MessageInitShape<I>, MessageShape<O>>>
        : Method extends DescMethodBiDiStreaming<infer I, infer O>
          ? (options?: CallOptions) => Promise<RpcStream<MessageInitShape<I>, MessageShape<O>>>
          : never;

/** A typed client of `service` over `caller`. It holds nothing: stop the caller when done. */
export function createRpcClient<Service extends DescService>(
  service: Service,
  caller: RpcCaller,
): RpcClient<Service> {
  const methods = service.methods.map((method) => [
    method.localName,
    methodFunction(caller, method),
  ]);
  return Object.fromEntries(methods) as RpcClient<Service>;
}

type AnyRequest = MessageInitShape<DescMessage>;

function methodFunction(caller: RpcCaller, method: DescMethod) {
  const kind = method.methodKind;
  switch (kind) {
    case 'unary':
      return async (request: AnyRequest, options?: CallOptions) => {
        const stream = await openWith(caller, method, request, options);
        return onlyMessage(method, stream.responses);
      };
    case 'server_streaming':
      return async function* (request: AnyRequest, options?: CallOptions) {
        const stream = await openWith(caller, method, request, options);
        yield* stream.responses;
      };
    case 'client_streaming':
      return async (options?: CallOptions) => {
        const stream = await caller.open(method, options);
        return {
          write: (message: AnyRequest) => stream.write(message),
          finish() {
            stream.end();
            return onlyMessage(method, stream.responses);
          },
          cancel: () => stream.cancel(),
        };
      };
    case 'bidi_streaming':
      return (options?: CallOptions) => caller.open(method, options);
    default:
      return assertNever(kind);
  }
}

async function openWith(
  caller: RpcCaller,
  method: DescMethod,
  request: AnyRequest,
  options: CallOptions | undefined,
) {
  const stream = await caller.open(method, options);
  await stream.write(request);
  stream.end();
  return stream;
}

async function onlyMessage<Response>(
  method: DescMethod,
  responses: AsyncIterable<Response>,
): Promise<Response> {
  let only: { readonly response: Response } | undefined;
  for await (const response of responses) {
    if (only !== undefined) throw protocolError(method, 'more than one message');
    only = { response };
  }
  if (only === undefined) throw protocolError(method, 'no message');
  return only.response;
}

function protocolError(method: DescMethod, what: string): RpcError {
  const text = `${method.parent.typeName}/${method.name} answered with ${what}: the server is faulty`;
  return new RpcError(statusCodes.INTERNAL, text);
}
