import { connect } from 'node:http2';
import { afterEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { singleCall } from '../../../test/support/single-call.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { Scope } from '../../base/scope.ts';
import { statusCodes } from '../../rpc/status.ts';
import { encodeMessage } from '../wire/grpc-frame.ts';
import { createReadBuffer } from '../wire/socket-transport.ts';
import { Dispatcher } from './dispatcher.ts';
import { startGrpcListener } from './grpc-listener.ts';

const scope = new Scope();
afterEach(() => scope.stop());

describe('a call whose first message does not become complete', () => {
  test('is ended at the limit, and its connection goes on', async () => {
    const clock = new ManualClock();
    let started = 0;
    const dispatcher = new Dispatcher({
      localMethods: [
        {
          path: '/a.B/C',
          needsToken: false,
          serve: async (call) => call.reply(encodeMessage(none)),
        },
      ],
      forward: () => Promise.reject(new Error('nothing is forwarded here')),
      tokens: () => [],
      onEnded() {},
      clock,
      firstMessageLimitMs: 100,
      onStarted: () => {
        started += 1;
      },
    });
    const listener = await startGrpcListener({
      addresses: [{ kind: 'tcp', endpoint: { host: '127.0.0.1', port: 0 } }],
      dispatcher,
      clock: systemClock,
      logger: silentLogger,
      readBuffer: createReadBuffer(),
    });
    scope.own(listener);
    const [port = 0] = listener.ports;
    const session = connect(`http://127.0.0.1:${port}`);
    const call = (body: Buffer, ends: boolean) =>
      singleCall(port, { path: '/a.B/C', body, ends }, session);
    const whole = encodeMessage(Buffer.from('a request'));
    const late = {
      code: statusCodes.DEADLINE_EXCEEDED,
      message: 'the first message was not complete after 0.1 s',
    };
    const answers = Promise.all([call(none, false), call(whole.subarray(0, 7), false)]);
    await eventually('both calls have begun', () => started === 2);
    await clock.advance(100);
    expect(await answers).toMatchObject([late, late]);
    expect(await call(whole, true)).toMatchObject({ code: statusCodes.OK });
    session.destroy();
  });
});

const none = Buffer.alloc(0);
