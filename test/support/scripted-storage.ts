import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import { RepositoryService } from '../../src/gen/gitaly/repository_pb.ts';
import { ServerService } from '../../src/gen/gitaly/server_pb.ts';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from '../../src/gen/grpc/health/v1/health_pb.ts';
import { Dispatcher } from '../../src/proxy/relay/dispatcher.ts';
import {
  startGrpcListener,
  type GrpcListenerOptions,
} from '../../src/proxy/relay/grpc-listener.ts';
import { unaryMethod } from '../../src/proxy/relay/local-method.ts';
import type { ServerCall } from '../../src/proxy/relay/server-call.ts';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import type { HeaderField } from '../../src/proxy/wire/hpack/header-field.ts';
import type { Http2Stream } from '../../src/proxy/wire/http2/stream.ts';
import { createReadBuffer } from '../../src/proxy/wire/socket-transport.ts';

/** A call that a storage got, with all of its request headers. */
export interface ReceivedCall {
  readonly path: string;
  readonly fields: readonly HeaderField[];
  /** The first message. */
  readonly message: Buffer;
  /** Breaks the call off, whatever has been answered. */
  reset(): void;
}

/**
 * A storage without any repository: it answers every method as a test says, and keeps what it got.
 * Only health checks and checksums it answers by itself.
 */
export class ScriptedStorage implements Stoppable {
  readonly name: string;
  readonly calls: ReceivedCall[] = [];
  /** Answers a call whose first message is there. Default: an empty message, and OK. */
  answer: (call: ServerCall, received: ReceivedCall) => void = (call) => {
    ignoreRequest(call);
    call.reply(encodeMessage(Buffer.alloc(0)));
  };
  /** What it says its contents are. */
  checksum = 'equal';
  isServing = true;
  #listener: (Stoppable & { readonly ports: readonly number[] }) | undefined;

  private constructor(name: string) {
    this.name = name;
  }

  static async start(name: string, token: string): Promise<ScriptedStorage> {
    const storage = new ScriptedStorage(name);
    const options: Omit<GrpcListenerOptions, 'dispatcher'> = {
      addresses: [{ kind: 'tcp', endpoint: { host: '127.0.0.1', port: 0 } }],
      clock: systemClock,
      logger: silentLogger,
      readBuffer: createReadBuffer(),
    };
    const dispatcher = storage.#createDispatcher(token);
    storage.#listener = await startGrpcListener({ ...options, dispatcher });
    return storage;
  }

  get address(): string {
    return `127.0.0.1:${this.#listener?.ports[0]}`;
  }

  async stop(): Promise<void> {
    await this.#listener?.stop();
  }

  #createDispatcher(token: string): Dispatcher {
    const requests = new WeakMap<object, Request>();
    const forward = async (call: ServerCall) => {
      const { path } = call.head;
      const message = Buffer.from(call.firstMessage);
      const { fields = [], stream } = requests.get(call) ?? {};
      const received = { path, fields, message, reset: () => stream?.reset(internalErrorCode) };
      this.calls.push(received);
      this.answer(call, received);
    };
    const { calculateChecksum } = RepositoryService.method;
    return new RememberingDispatcher(requests, {
      localMethods: [
        unaryMethod(
          Health.method.check,
          async () => ({ status: this.isServing ? Status.SERVING : Status.NOT_SERVING }),
          { needsToken: false },
        ),
        // What the proxy tries its token with.
        unaryMethod(ServerService.method.serverInfo, async () => ({})),
        unaryMethod(calculateChecksum, async () => ({ checksum: this.checksum })),
      ],
      forward,
      tokens: () => [token],
      onEnded() {},
      clock: systemClock,
    });
  }
}

/** Lets whatever else the client sends arrive, and makes nothing of it. */
export function ignoreRequest(call: ServerCall): void {
  call.attach({
    onData: (_bytes, start, end) => call.credit.consumed(end - start),
    onAbort() {},
    onCut() {},
  });
}

/** RFC 9113, section 7. */
const internalErrorCode = 0x2;

interface Request {
  readonly stream: Http2Stream;
  readonly fields: readonly HeaderField[];
}

class RememberingDispatcher extends Dispatcher {
  readonly #requests: WeakMap<object, Request>;

  constructor(
    requests: WeakMap<object, Request>,
    options: ConstructorParameters<typeof Dispatcher>[0],
  ) {
    super(options);
    this.#requests = requests;
  }

  override onRequest(
    ...[stream, fields, ...rest]: Parameters<Dispatcher['onRequest']>
  ): ReturnType<Dispatcher['onRequest']> {
    const call = super.onRequest(stream, fields, ...rest);
    this.#requests.set(call, { stream, fields });
    return call;
  }
}
