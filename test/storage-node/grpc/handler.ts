import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { CallContext, ServerCall } from './server-call.ts';
import { Code, RpcError } from './status.ts';

/** Serves one method. A unary one decodes its request before anything else is looked at, as grpc-go does. */
export type Handler = UnaryHandler | StreamHandler;

interface UnaryHandler {
  readonly kind: 'unary';
  readonly path: string;
  /** Decodes the request; what is returned does the work and gives the response's bytes. */
  prepare(message: Uint8Array): (call: CallContext) => Promise<Uint8Array>;
}

interface StreamHandler {
  readonly kind: 'stream';
  readonly path: string;
  run(call: ServerCall): Promise<void>;
}

/** Sends one response message; resolves when there is room for the next. */
export type Send<O extends DescMessage> = (message: MessageInitShape<O>) => Promise<void>;

/** A method with one request and one response. */
export function unary<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  serve: (request: MessageShape<I>, call: CallContext) => Promise<MessageInitShape<O>>,
): Handler {
  return {
    kind: 'unary',
    path: pathOf(method),
    prepare(message) {
      const request = decode(method.input, message);
      return async (call) => encode(method.output, await serve(request, call));
    },
  };
}

/** A method with one request and many responses. */
export function serverStreaming<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  serve: (request: MessageShape<I>, call: CallContext, send: Send<O>) => Promise<void>,
): Handler {
  return {
    kind: 'stream',
    path: pathOf(method),
    async run(call) {
      const first = await call.messages().next();
      if (first.done) throw new RpcError(Code.UNKNOWN, 'EOF');
      await serve(decode(method.input, first.value), call, sender(method.output, call));
    },
  };
}

/** A method with many requests and one response. */
export function clientStreaming<I extends DescMessage, O extends DescMessage>(
  method: DescMethodClientStreaming<I, O>,
  serve: (
    requests: AsyncGenerator<MessageShape<I>>,
    call: CallContext,
  ) => Promise<MessageInitShape<O>>,
): Handler {
  return {
    kind: 'stream',
    path: pathOf(method),
    async run(call) {
      const response = await serve(decodeAll(method.input, call), call);
      await call.send(encode(method.output, response));
    },
  };
}

/** A method with many requests and many responses. */
export function bidiStreaming<I extends DescMessage, O extends DescMessage>(
  method: DescMethodBiDiStreaming<I, O>,
  serve: (
    requests: AsyncGenerator<MessageShape<I>>,
    call: CallContext,
    send: Send<O>,
  ) => Promise<void>,
): Handler {
  return {
    kind: 'stream',
    path: pathOf(method),
    run: (call) => serve(decodeAll(method.input, call), call, sender(method.output, call)),
  };
}

/** `/package.Service/Method`. */
export function pathOf(method: { name: string; parent: { typeName: string } }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

async function* decodeAll<I extends DescMessage>(
  input: I,
  call: ServerCall,
): AsyncGenerator<MessageShape<I>> {
  for await (const message of call.messages()) yield decode(input, message);
}

function sender<O extends DescMessage>(output: O, call: ServerCall): Send<O> {
  return (message) => call.send(encode(output, message));
}

function decode<I extends DescMessage>(input: I, message: Uint8Array): MessageShape<I> {
  try {
    return fromBinary(input, message);
  } catch {
    const text = 'grpc: error unmarshalling request: proto: cannot parse invalid wire-format data';
    throw new RpcError(Code.INTERNAL, text);
  }
}

function encode<O extends DescMessage>(output: O, message: MessageInitShape<O>): Uint8Array {
  return toBinary(output, create(output, message));
}
