import { statusCodes } from '../../rpc/status.ts';
import { GrpcMessageReader } from '../wire/grpc-frame.ts';
import { cutStatus, type ServerCall } from './server-call.ts';

/** Requests of the conversations that a proxy holds itself are short. */
const maxRequestBytes = 64 * 1024;

/**
 * Answers each message of a call with one, until the client ends it. Resolves when the call is over.
 *
 * 1. Messages wait until those before them are answered, and the client has room for the answers.
 * 2. Only then does it get its window back: that is what bounds how much waits.
 *
 * @param answer makes the answer, with its prefix, to a message without
 * @throws what `answer` throws; the call has to be ended with it
 */
export async function exchangeMessages(
  call: ServerCall,
  answer: (request: Buffer) => Buffer,
): Promise<void> {
  const reader = new GrpcMessageReader({ maxBytes: maxRequestBytes });
  /** In the order of their arrival, each with the bytes of window that it gives back. */
  const arrived: Arrival[] = [{ kind: 'message', message: call.firstMessage }];
  let wake = () => {};
  const add = (arrival: Arrival) => {
    arrived.push(arrival);
    wake();
  };
  call.attach({
    onData(bytes, start, end, endStream) {
      const read = reader.push(bytes, start, end);
      if (read.kind === 'invalid') add({ kind: 'invalid', reason: read.reason });
      else for (const message of read.messages) add({ kind: 'message', message });
      add({ kind: 'used', bytes: end - start });
      if (endStream) add({ kind: 'end' });
    },
    onAbort: () => add({ kind: 'end' }),
    onCut(reason) {
      call.fail(cutStatus(reason));
      add({ kind: 'end' });
    },
  });
  for (;;) {
    const next = arrived.shift();
    if (next === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    switch (next.kind) {
      case 'message':
        await call.sendMessage(answer(next.message));
        break;
      case 'used':
        call.credit.consumed(next.bytes);
        break;
      case 'invalid':
        call.fail({ code: statusCodes.INTERNAL, message: next.reason });
        return;
      case 'end':
        if (reader.atBoundary) call.succeed();
        else {
          const message = 'the request ends inside a message';
          call.fail({ code: statusCodes.INTERNAL, message });
        }
        return;
    }
  }
}

type Arrival =
  | { readonly kind: 'message'; readonly message: Buffer }
  | { readonly kind: 'used'; readonly bytes: number }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'end' };
