import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import { encodeMessage } from '../wire/grpc-frame.ts';
import { statusTrailers } from '../wire/grpc-status.ts';
import type { StreamEvents } from '../wire/http2/stream.ts';
import { callServerStreaming } from './streaming-call.ts';
import { callUnary, type UnaryCallOptions } from './unary-call.ts';
import type { CallOpener, CallStream } from './waiting-call.ts';

/** A storage that answers each call with `answer`, and OK. */
function answering(answer: Buffer): CallOpener {
  return {
    request(_fields, _endStream, events: StreamEvents) {
      queueMicrotask(() => {
        events.onData(answer, 0, answer.length, false);
        events.onHeaders(statusTrailers({ code: statusCodes.OK, message: '' }), true);
      });
      const stream: Partial<CallStream> = { closed: true, sendData() {}, consumed() {} };
      return stream as CallStream;
    },
  };
}

function optionsFor(answer: Buffer): UnaryCallOptions {
  const calls = answering(answer);
  const clock = new ManualClock();
  return { calls, clock, authority: 'a', authorization: undefined, limitMs: 1000 };
}

const serving = encodeMessage(Buffer.of(0x08, 0x01));
/** A text of two bytes of which one is there. */
const cutOff = encodeMessage(Buffer.of(0x0a, 0x02, 0x41));
/** Thrown where the connection reads, it would end the connection with all that runs on it. */
const damaged = {
  code: statusCodes.INTERNAL,
  message: expect.stringContaining('the answer is no grpc.health.v1.HealthCheckResponse'),
};

describe('a call of the proxy itself', () => {
  it('resolves with the answer', async () => {
    const answer = await callUnary(Health.method.check, {}, optionsFor(serving));
    expect(answer.status).toBe(1);
  });

  it('fails alone if its answer is damaged', async () => {
    const answer = callUnary(Health.method.check, {}, optionsFor(cutOff));
    await expect(answer).rejects.toMatchObject(damaged);
  });

  it('fails alone if one of many messages is damaged', async () => {
    const answers = callServerStreaming(Health.method.watch, {}, optionsFor(cutOff));
    await expect(answers.next()).rejects.toMatchObject(damaged);
  });
});
