import { status as Status, type ClientDuplexStream, type StatusObject } from '@grpc/grpc-js';
import { deferred } from '../base/deferred.ts';
import { errorOfStatus } from './rpc-error.ts';
import { toStatusCode, type StatusCode } from './status.ts';

/** A call under way, seen from the client. */
export interface RpcStream<Request, Response> {
  /**
   * Sends a message. Resolves when there is room for the next one, with false if the call has
   * ended and nothing more will be sent: how it ended then comes out of {@link responses}.
   */
  write(message: Request): Promise<boolean>;
  /** Says that no more messages follow. */
  end(): void;
  /**
   * The server's messages, to be read once. Ends when the call ended with OK, else throws an
   * RpcError after the last message. Leaving the loop early cancels the call.
   */
  readonly responses: AsyncIterable<Response>;
  /** Resolves with the code that the call ended with. */
  readonly ended: Promise<StatusCode>;
  /** Ends the call at once with CANCELLED. No effect on a call that has ended. */
  cancel(): void;
}

/** Gives a call of grpc-js the shape of {@link RpcStream}. */
export function openStream<Request, Response>(
  call: ClientDuplexStream<Request, Response>,
  signal: AbortSignal | undefined,
): RpcStream<Request, Response> {
  const status = deferred<StatusObject>();
  let hasEnded = false;
  let stopWaiting = () => {};
  const cancel = () => call.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  call.on('error', () => {}); // The status tells the same, and an error without a listener is fatal.
  call.on('status', (received: StatusObject) => {
    hasEnded = true;
    signal?.removeEventListener('abort', cancel);
    stopWaiting();
    status.resolve(received);
  });
  call.on('drain', () => stopWaiting());

  /** Resolves when there is room, or when the call has ended. */
  function room(): Promise<void> {
    return new Promise((resolve) => {
      stopWaiting = resolve;
    });
  }

  async function* responses(): AsyncGenerator<Response> {
    try {
      yield* messagesOf(call);
      const received = await status.promise;
      if (received.code !== Status.OK) throw errorOfStatus(received);
    } finally {
      if (!hasEnded) call.cancel();
    }
  }

  return {
    async write(message) {
      if (hasEnded) return false;
      if (!call.write(message)) await room();
      return !hasEnded;
    },
    end() {
      call.end();
    },
    responses: responses(),
    ended: status.promise.then(({ code }) => toStatusCode(code)),
    cancel,
  };
}

/** Every message that arrived, also those before an error. */
async function* messagesOf<Request, Response>(
  call: ClientDuplexStream<Request, Response>,
): AsyncGenerator<Response> {
  const iterator: AsyncIterable<Response> = call.iterator({ destroyOnReturn: false });
  try {
    yield* iterator;
  } catch {
    // The status has it.
  }
}
