import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { statusCodes } from '../../rpc/status.ts';
import { encodeMessage } from '../wire/grpc-frame.ts';
import { readStatus } from '../wire/grpc-status.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import type { Http2Stream } from '../wire/http2/stream.ts';
import { readCallHead } from './call-head.ts';
import { ServerCall, cutStatus, type CallAbort } from './server-call.ts';

const message = encodeMessage(Buffer.from('a request'));
const tooLate = {
  code: statusCodes.DEADLINE_EXCEEDED,
  message: 'the first message was not complete after 30 s',
};

/** A call on a stream that keeps the status that it ends with. */
function startCall(...fields: readonly HeaderField[]) {
  const clock = new ManualClock();
  const told: { firstMessage?: string; endedWith?: number; status?: unknown; reset?: number } = {};
  const stream: Pick<Http2Stream, 'sendHeaders' | 'sendData' | 'reset' | 'consumed'> = {
    consumed() {},
    sendData() {},
    reset(code) {
      told.reset = code;
    },
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

/** Takes a call over, and keeps what it is told. */
function attachSink(call: ServerCall, replayBytes = 0) {
  const sink = { aborts: [] as CallAbort[], cuts: [] as string[], data: '', hasEnd: false };
  call.attach(
    {
      onData(bytes, start, end, endStream) {
        sink.data += bytes.toString('latin1', start, end);
        sink.hasEnd = endStream;
      },
      onAbort: (cause) => sink.aborts.push(cause),
      onCut: (reason) => sink.cuts.push(reason),
    },
    replayBytes,
  );
  return sink;
}

describe('a call that is taken back from its sink', () => {
  /** A call whose request goes on after its first message. */
  function startLong() {
    const started = startCall();
    started.receive(0, message.length);
    const send = (text: string, endStream = false) =>
      started.call.onData(Buffer.from(text), 0, text.length, endStream);
    send('one ');
    return { ...started, send };
  }

  test('gives the next sink the same, and what came in between', () => {
    const { call, send } = startLong();
    const first = attachSink(call, 100);
    send('two ');
    expect([first.data, call.rewind(), call.isWhole]).toEqual(['one two ', true, false]);
    send('three', true);
    expect([first.data, first.hasEnd]).toEqual(['one two ', false]);
    const second = attachSink(call, 100);
    expect([second.data, second.hasEnd]).toEqual(['one two three', true]);
    expect(call.rewind()).toBe(true);
    expect(attachSink(call).data).toBe('one two three');
  });

  test('stays whole if it was', () => {
    const { call, receive } = startCall();
    receive(0, message.length, true);
    attachSink(call, 100);
    expect([call.rewind(), call.isWhole]).toEqual([true, true]);
    expect(attachSink(call)).toMatchObject({ data: '', hasEnd: true });
  });

  test('stays where it is if more has come than was to be kept, if nothing was, or after its end', () => {
    const long = startLong();
    attachSink(long.call, 6);
    long.send('two ');
    expect(long.call.rewind()).toBe(false);
    const unkept = startLong();
    attachSink(unkept.call);
    expect(unkept.call.rewind()).toBe(false);
    const gone = startLong();
    attachSink(gone.call, 100);
    gone.call.onAbort({ kind: 'reset', code: 8 });
    expect(gone.call.rewind()).toBe(false);
  });
});

describe('the time of a call', () => {
  test('is shorter for the storage by what has passed here', async () => {
    const { clock, call } = startCall(headerField('grpc-timeout', '5S'));
    await clock.advance(1800);
    expect(call.remainingMs).toBe(3200);
  });

  test('ends it, whoever may still be working on it', async () => {
    const { clock, call, told, receive } = startCall(headerField('grpc-timeout', '5S'));
    receive(0, message.length, true);
    const sink = attachSink(call);
    await clock.advance(5000);
    expect(told.status).toEqual({
      code: statusCodes.DEADLINE_EXCEEDED,
      message: 'context deadline exceeded',
    });
    expect(sink.aborts).toEqual([{ kind: 'deadlineExceeded' }]);
  });

  test('has no end if the client names none', async () => {
    const { clock, call, receive } = startCall();
    receive(0, message.length, true);
    const sink = attachSink(call);
    await clock.advance(20 * 24 * 3_600_000);
    expect([call.ended, call.remainingMs, sink.aborts]).toEqual([false, undefined, []]);
  });
});

describe('a call that fails in the middle of a message of its answer', () => {
  const half = encodeMessage(Buffer.from('an answer')).subarray(0, 8);
  const unavailable = { code: statusCodes.UNAVAILABLE, message: 'gone' };

  test.each([
    ['never processed, if it may be made again', unavailable, true, 0x7],
    ['broken, if it may not', unavailable, false, 0x2],
    [
      'cancelled, if its time is up',
      { code: statusCodes.DEADLINE_EXCEEDED, message: '' },
      false,
      0x8,
    ],
  ])('is reset as %s', (_, status, mayRepeat, code) => {
    const { call, told } = startCall();
    call.sendData(half, 0, half.length, undefined);
    call.fail(status, mayRepeat);
    expect(told).toEqual({ reset: code, endedWith: status.code });
  });

  test('gets a status if the message is complete', () => {
    const { call, told } = startCall();
    const whole = encodeMessage(Buffer.from('an answer'));
    call.sendData(whole, 0, 8, undefined);
    call.sendData(whole, 8, whole.length, undefined);
    call.fail(unavailable, true);
    expect(told.status).toEqual(unavailable);
  });
});

describe('a call that is cut', () => {
  test('is left to whoever serves it', () => {
    const { call, told, receive } = startCall();
    receive(0, message.length, true);
    const sink = attachSink(call);
    call.cut('the proxy stops');
    expect([sink.aborts, sink.cuts, told.endedWith]).toEqual([[], ['the proxy stops'], undefined]);
  });

  test('is ended at once if nobody serves it yet, and nobody begins to', () => {
    const { call, told, receive } = startCall();
    receive(0, message.length, true);
    call.cut('the proxy stops');
    expect(told.status).toEqual(cutStatus('the proxy stops'));
    expect(attachSink(call).aborts).toEqual([{ kind: 'cut' }]);
  });
});
