import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { statusCodes } from '../../rpc/status.ts';
import { encodeMessage } from '../wire/grpc-frame.ts';
import { readStatus } from '../wire/grpc-status.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import type { Http2Stream } from '../wire/http2/stream.ts';
import { readCallHead } from './call-head.ts';
import { ServerCall } from './server-call.ts';

const message = encodeMessage(Buffer.from('a request'));
const tooLate = {
  code: statusCodes.DEADLINE_EXCEEDED,
  message: 'the first message was not complete after 30 s',
};

/** A call on a stream that keeps the status that it ends with. */
function startCall(...fields: readonly HeaderField[]) {
  const clock = new ManualClock();
  const told: { firstMessage?: string; endedWith?: number; status?: unknown } = {};
  const stream: Pick<Http2Stream, 'sendHeaders' | 'consumed'> = {
    consumed() {},
    sendHeaders(sent, endStream) {
      if (endStream) told.status = readStatus(sent);
    },
  };
  const call = new ServerCall({
    stream: stream as Http2Stream,
    head: readCallHead(fields),
    mux: undefined,
    clock,
    onFirstMessage: (ready) => {
      told.firstMessage = ready.firstMessage.toString();
    },
    onEnded: (_, code) => {
      told.endedWith = code;
    },
  });
  const receive = (start: number, end: number, endStream = false) =>
    call.onData(message, start, end, endStream);
  return { clock, call, told, receive };
}

describe('the first message of a call', () => {
  test('has 30 s to arrive, from the beginning of the call, however much of it comes meanwhile', async () => {
    const { clock, told, receive } = startCall();
    for (let index = 0; index < 10; index++) {
      receive(index, index + 1);
      await clock.advance(2900);
    }
    expect(told).toEqual({});
    await clock.advance(1000);
    expect(told).toEqual({ status: tooLate, endedWith: statusCodes.DEADLINE_EXCEEDED });
    receive(10, message.length, true);
    expect(told.firstMessage).toBeUndefined();
  });

  test('may not stay away altogether', async () => {
    const { clock, told } = startCall();
    await clock.advance(30_000);
    expect(told).toEqual({ status: tooLate, endedWith: statusCodes.DEADLINE_EXCEEDED });
  });

  test('that came in time leaves the rest of the call as long as it takes', async () => {
    const { clock, call, told, receive } = startCall();
    receive(0, 3);
    await clock.advance(29_000);
    receive(3, message.length);
    await clock.advance(24 * 3_600_000);
    expect(told).toEqual({ firstMessage: 'a request' });
    expect(clock.pendingCount).toBe(0);
    call.succeed();
    expect(told.endedWith).toBe(statusCodes.OK);
  });

  test('has no more time than the call', async () => {
    const { clock, told } = startCall(headerField('grpc-timeout', '5S'));
    await clock.advance(5000);
    expect(told.endedWith).toBe(statusCodes.DEADLINE_EXCEEDED);
    expect(told.status).not.toEqual(tooLate);
    expect(clock.pendingCount).toBe(0);
  });

  test('is not waited for after the client has gone', async () => {
    const { clock, call, told } = startCall();
    call.onAbort({ kind: 'reset', code: 8 });
    expect(clock.pendingCount).toBe(0);
    expect(told).toEqual({ endedWith: statusCodes.CANCELLED });
  });
});
