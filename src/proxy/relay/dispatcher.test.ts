import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { headerField } from '../wire/hpack/header-field.ts';
import type { Http2Stream } from '../wire/http2/stream.ts';
import { Dispatcher } from './dispatcher.ts';

/** What is answered, at once, to request headers like a good client's but for `unlike`. */
function answerTo(unlike: Readonly<Record<string, string | undefined>>) {
  const dispatcher = new Dispatcher({
    localMethods: [{ path: '/a.B/C', needsToken: false, serve: () => Promise.resolve() }],
    forward: () => Promise.resolve(),
    tokens: () => [],
    onEnded() {},
    clock: new ManualClock(),
  });
  const answers: Record<string, string>[] = [];
  const stream: Pick<Http2Stream, 'sendHeaders' | 'consumed'> = {
    consumed() {},
    sendHeaders(fields) {
      answers.push(Object.fromEntries(fields.map(({ name, value }) => [name, value])));
    },
  };
  const head = { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc' };
  const fields = Object.entries({ ...head, ...unlike })
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => headerField(name, value));
  dispatcher.onRequest(stream as Http2Stream, fields, false, undefined);
  return answers;
}

describe('a request that is none of gRPC', () => {
  test.each(['GET', 'PUT', 'post', 'OPTIONS'])('with the method %s gets HTTP 405', (method) => {
    expect(answerTo({ ':method': method })).toEqual([
      {
        ':status': '405',
        'content-type': 'application/grpc',
        'grpc-status': '13',
        'grpc-message': `Received a HEADERS frame with :method "${method}" which should be POST`,
      },
    ]);
  });

  test.each([
    [undefined, '""'],
    ['', '""'],
    ['application/json', '"application/json"'],
    ['application/grpc-web', '"application/grpc-web"'],
    ['Application/gRPC', '"Application/gRPC"'],
  ])('with the content type %s gets HTTP 415', (contentType, shown) => {
    expect(answerTo({ ':method': 'GET', 'content-type': contentType })).toEqual([
      {
        ':status': '415',
        'content-type': 'application/grpc',
        'grpc-status': '3',
        'grpc-message': `invalid gRPC request content-type ${shown}`,
      },
    ]);
  });
});

test.each(['application/grpc', 'application/grpc+proto', 'application/grpc;charset=utf-8'])(
  'a request with the content type %s is not answered before its message has come',
  (contentType) => {
    expect(answerTo({ 'content-type': contentType })).toEqual([]);
  },
);

test('calls without a token beyond the limit are refused until others have ended', () => {
  const dispatcher = new Dispatcher({
    localMethods: [{ path: '/a.B/C', needsToken: false, serve: () => Promise.resolve() }],
    forward: () => Promise.resolve(),
    tokens: () => [],
    onEnded() {},
    maxOpenWithoutToken: 2,
    clock: new ManualClock(),
  });
  const open = () => {
    const ended: string[] = [];
    const stream: Pick<Http2Stream, 'sendHeaders' | 'consumed'> = {
      consumed() {},
      sendHeaders: (fields) => ended.push(fields.map(({ value }) => value).join(' ')),
    };
    const head = { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc' };
    const fields = Object.entries(head).map(([name, value]) => headerField(name, value));
    const events = dispatcher.onRequest(stream as Http2Stream, fields, false, undefined);
    return { ended, events };
  };
  const [first] = [open(), open()];
  const refused = expect.stringMatching(/^200 application\/grpc 8 /);
  expect(open().ended).toEqual([refused]);
  expect(open().ended).toEqual([refused]);
  first?.events.onAbort({ kind: 'reset', code: 8 });
  expect(open().ended).toEqual([]);
  expect(open().ended).toEqual([refused]);
});
