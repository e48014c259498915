import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ClientDuplexStream,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { deferred } from '../../../../base/deferred.ts';
import { statusCodes } from '../../../../rpc/status.ts';
import {
  echoPath,
  echoTrailers,
  holdPath,
  resetPath,
  type CallOutcome,
  type PeerCall,
  type PeerClient,
  type PeerOptions,
  type PeerServer,
} from './peer.ts';

type EchoCall = ServerDuplexStream<Buffer, Buffer>;

/**
 * grpc-js's server. It cannot reset a call, and ends it with a status instead; its limit for headers
 * is that of node:http2.
 */
export async function startGrpcJsServer(options: PeerOptions): Promise<PeerServer> {
  const server = new Server(optionsOf(options));
  let cancelled = 0;
  const sendBack = (call: EchoCall) => {
    call.on('data', (message: Buffer) => {
      if (call.write(message)) return;
      call.pause();
      call.once('drain', () => call.resume());
    });
  };
  server.addService(service, {
    echo: (call: EchoCall) => {
      sendBack(call);
      call.on('end', () => {
        const header = (name: string) => call.metadata.get(name)[0]?.toString();
        call.end(metadataOf(echoTrailers(header)));
      });
    },
    hold: (call: EchoCall) => {
      sendBack(call);
      // It is told at the end of every call: here no other end is possible.
      call.on('cancelled', () => {
        cancelled += 1;
      });
    },
    reset: (call: EchoCall) => {
      call.once('data', () => call.emit('error', { code: statusCodes.CANCELLED, details: '' }));
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port,
    get cancelled() {
      return cancelled;
    },
    connections: undefined,
    goAway: () => server.tryShutdown(() => {}),
    ping: undefined,
    async stop() {
      server.forceShutdown();
    },
  };
}

/** grpc-js's client. */
export async function connectGrpcJsClient(port: number, options: PeerOptions): Promise<PeerClient> {
  const address = `127.0.0.1:${port}`;
  const client = new Client(address, credentials.createInsecure(), optionsOf(options));
  return {
    call: (path, metadata = {}) => new GrpcJsCall(client, path, metadata),
    connections: undefined,
    goAway: () => client.close(),
    ping: undefined,
    async stop() {
      client.close();
    },
  };
}

class GrpcJsCall implements PeerCall {
  readonly messages: Buffer[] = [];
  readonly #outcome = deferred<CallOutcome>();
  readonly #call: ClientDuplexStream<Buffer, Buffer>;

  constructor(client: Client, path: string, metadata: Readonly<Record<string, string>>) {
    const call = client.makeBidiStreamRequest(path, asIs, asIs, metadataOf(metadata));
    this.#call = call;
    call.on('data', (message: Buffer) => this.messages.push(message));
    call.on('error', () => {});
    call.on('status', ({ code, metadata: received }) => {
      const entries = Object.entries(received.getMap());
      const trailers = Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
      this.#outcome.resolve({ status: code, trailers });
    });
  }

  get outcome(): Promise<CallOutcome> {
    return this.#outcome.promise;
  }

  send(message: Buffer): void {
    this.#call.write(message);
  }

  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }
}

function asIs(message: Buffer): Buffer {
  return message;
}

const method = {
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
} as const;

const service: ServiceDefinition = {
  echo: { ...method, path: echoPath },
  hold: { ...method, path: holdPath },
  reset: { ...method, path: resetPath },
};

function metadataOf(values: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
}

function optionsOf({ windowBytes }: PeerOptions) {
  return {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': windowBytes,
    'grpc.use_local_subchannel_pool': 1,
  };
}
