import {
  create,
  toBinary,
  type DescMessage,
  type DescMethodServerStreaming,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { statusCodes } from '../../rpc/status.ts';
import { encodeMessage, GrpcMessageReader } from '../wire/grpc-frame.ts';
import { readStatus } from '../wire/grpc-status.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';
import {
  callFields,
  cancelCode,
  decodeAnswer,
  describeAbort,
  UpstreamError,
} from './unary-call.ts';
import type { UnaryCallOptions } from './unary-call.ts';

const maxMessageBytes = 64 * 1024;

/**
 * Makes a call to a storage that answers with any number of messages. The storage is held back while they are
 * not taken. Leaving the loop early ends the call.
 *
 * @throws UpstreamError after the last message, with the status that the storage, or the loss of the
 *   connection, gave
 */
export async function* callServerStreaming<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  request: MessageInitShape<I>,
  options: UnaryCallOptions,
): AsyncGenerator<MessageShape<O>, void, undefined> {
  const { calls, clock, limitMs } = options;
  const path = `/${method.parent.typeName}/${method.name}`;
  const body = encodeMessage(toBinary(method.input, create(method.input, request)));
  const reader = new GrpcMessageReader({ maxBytes: maxMessageBytes });
  let messages: Buffer[] = [];
  /** Of what is in `messages`. */
  let bytesHeld = 0;
  let end: { readonly code: number; readonly message: string } | undefined;
  let wake = () => {};
  const finish = (code: number, message: string) => {
    end ??= { code, message };
    wake();
  };
  const stream = calls.request(callFields(path, options), false, {
    onHeaders(received: readonly HeaderField[], endStream: boolean) {
      if (!endStream) return;
      const status = readStatus(received);
      finish(status.code, status.message);
    },
    onData(bytes, start, stop) {
      bytesHeld += stop - start;
      const read = reader.push(bytes, start, stop);
      if (read.kind === 'invalid') {
        stream?.reset(cancelCode);
        finish(statusCodes.INTERNAL, read.reason);
      } else messages.push(...read.messages);
      wake();
    },
    onAbort: (cause) => finish(statusCodes.UNAVAILABLE, describeAbort(cause)),
  });
  if (stream === undefined) finish(statusCodes.UNAVAILABLE, 'the storage takes no more calls');
  else stream.sendData(body, 0, body.length, true, undefined);
  const timer = clock.after(limitMs, () =>
    finish(statusCodes.DEADLINE_EXCEEDED, `no end within ${limitMs} ms`),
  );
  try {
    for (;;) {
      const taken = messages;
      messages = [];
      for (const bytes of taken) yield decodeAnswer(path, method.output, bytes);
      stream?.consumed(bytesHeld);
      bytesHeld = 0;
      if (messages.length > 0) continue;
      if (end !== undefined) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (end.code !== statusCodes.OK) throw new UpstreamError(path, end);
  } finally {
    timer.cancel();
    if (stream !== undefined && !stream.closed) stream.reset(cancelCode);
  }
}
