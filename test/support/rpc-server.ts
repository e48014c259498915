import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.ts';
import {
  Metadata,
  Server,
  ServerCredentials,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerOptions,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Stoppable } from '../../src/base/scope.ts';
import { RpcError } from '../../src/rpc/rpc-error.ts';

/** What a handler may know of the call that it serves. */
interface ServerCall {
  readonly metadata: Metadata;
  /** Aborted when the client cancels or its deadline passes. */
  readonly signal: AbortSignal;
}

/** Handlers for some of a service's methods. Throw an {@link RpcError} for another status than OK. */
export type Handlers<Service extends DescService> = {
  readonly [Name in keyof Service['method']]?: Handler<Service['method'][Name]>;
};

type Handler<Method> =
  Method extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, call: ServerCall) => Promise<MessageInitShape<O>>
    : Method extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, call: ServerCall) => AsyncIterable<MessageInitShape<O>>
      : Method extends DescMethodClientStreaming<infer I, infer O>
        ? (
            requests: AsyncIterable<MessageShape<I>>,
            call: ServerCall,
          ) => Promise<MessageInitShape<O>>
        : Method extends DescMethodBiDiStreaming<infer I, infer O>
          ? (
              requests: AsyncIterable<MessageShape<I>>,
              call: ServerCall,
            ) => AsyncIterable<MessageInitShape<O>>
          : never;

/** A service with its handlers, as {@link startRpcServer} takes it. */
export interface Implementation {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, unknown>>;
}

/** Binds handlers to their service; this is where the types are checked. */
export function implement<Service extends DescService>(
  service: Service,
  handlers: Handlers<Service>,
): Implementation {
  return { service, handlers };
}

/** A gRPC server on loopback. */
export interface RpcServer extends Stoppable {
  readonly port: number;
  /** Like `tcp://127.0.0.1:4711`. */
  readonly address: string;
  /** Takes no more calls, says so to the clients (GOAWAY), and resolves when the last has ended. */
  drain(): Promise<void>;
}

export interface RpcServerOptions {
  readonly host?: string;
  readonly port?: number;
  readonly credentials?: ServerCredentials;
  readonly settings?: ServerOptions;
}

/** Starts a server. Its `stop` cuts what is under way. */
export async function startRpcServer(
  implementations: readonly Implementation[],
  options: RpcServerOptions = {},
): Promise<RpcServer> {
  const {
    host = '127.0.0.1',
    port = 0,
    credentials = ServerCredentials.createInsecure(),
  } = options;
  const server = new Server(options.settings);
  for (const { service, handlers } of implementations) addService(server, service, handlers);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, credentials, (error, actual) =>
      error === null ? resolve(actual) : reject(error),
    );
  });
  return {
    port: bound,
    address: `tcp://${host}:${bound}`,
    drain() {
      return new Promise((resolve) => {
        server.tryShutdown(() => resolve());
      });
    },
    stop() {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

type AnyMessage = MessageShape<DescMessage>;
type AnyInit = MessageInitShape<DescMessage>;
type AnyHandler = (
  input: AnyMessage | AsyncIterable<AnyMessage>,
  call: ServerCall,
) => Promise<AnyInit> | AsyncIterable<AnyInit>;

/** All methods are served as bidirectional streams: on the wire there is no difference. */
function addService(
  server: Server,
  service: DescService,
  handlers: Readonly<Record<string, unknown>>,
): void {
  const definition: Record<string, MethodDefinition<AnyMessage, AnyInit>> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName];
    if (handler === undefined) continue;
    definition[method.name] = {
      path: `/${service.typeName}/${method.name}`,
      requestStream: true,
      responseStream: true,
      requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
      requestDeserialize: (bytes) => fromBinary(method.input, bytes),
      responseSerialize: (init) =>
        Buffer.from(toBinary(method.output, create(method.output, init))),
      responseDeserialize: (bytes) => fromBinary(method.output, bytes),
    };
    implementation[method.name] = (stream: ServerDuplexStream<AnyMessage, AnyInit>) => {
      void serve(method, handler as AnyHandler, stream);
    };
  }
  server.addService(definition, implementation);
}

async function serve(
  method: DescMethod,
  handler: AnyHandler,
  stream: ServerDuplexStream<AnyMessage, AnyInit>,
): Promise<void> {
  const aborter = new AbortController();
  stream.on('cancelled', () => aborter.abort());
  stream.on('error', () => aborter.abort());
  try {
    const answer = handler(await inputOf(method, stream), {
      metadata: stream.metadata,
      signal: aborter.signal,
    });
    for await (const message of Symbol.asyncIterator in answer ? answer : once(answer)) {
      if (aborter.signal.aborted) return;
      if (!stream.write(message)) await drained(stream, aborter.signal);
    }
    stream.end();
  } catch (thrown) {
    stream.emit('error', serverStatus(RpcError.from(thrown)));
  }
}

async function inputOf(method: DescMethod, stream: ServerDuplexStream<AnyMessage, AnyInit>) {
  // By default the end of the requests would destroy the stream, and with it the answers.
  const requests: AsyncIterable<AnyMessage> = stream.iterator({ destroyOnReturn: false });
  const isStream =
    method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming';
  if (isStream) return requests;
  for await (const message of requests) return message;
  throw new Error('the client sent no message');
}

async function* once(answer: Promise<AnyInit>): AsyncGenerator<AnyInit> {
  yield await answer;
}

function drained(
  stream: ServerDuplexStream<AnyMessage, AnyInit>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      stream.off('drain', settle);
      signal.removeEventListener('abort', settle);
      resolve();
    };
    stream.once('drain', settle);
    signal.addEventListener('abort', settle, { once: true });
  });
}

function serverStatus(error: RpcError) {
  const metadata = new Metadata();
  if (error.details.length > 0) {
    const status = create(StatusSchema, {
      code: error.code,
      message: error.message,
      details: [...error.details],
    });
    metadata.set('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, status)));
  }
  return { code: error.code, details: error.message, metadata };
}
