import { describe, expect, test } from '@jest/globals';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { statusCodes } from '../../rpc/status.ts';
import { statusTrailers } from '../wire/grpc-status.ts';
import { headerField } from '../wire/hpack/header-field.ts';
import type { Http2Stream } from '../wire/http2/stream.ts';
import { readCallHead } from './call-head.ts';
import { logCall } from './call-log.ts';
import { ServerCall } from './server-call.ts';

/** A call whose end is logged as after 1.5 ms. */
function startCall(headers: Readonly<Record<string, string>> = {}) {
  const logger = new RecordingLogger();
  const stream: Pick<Http2Stream, 'sendHeaders' | 'sendData' | 'consumed' | 'reset'> = {
    consumed() {},
    sendHeaders() {},
    sendData() {},
    reset() {},
  };
  const all = { ':path': '/gitaly.RefService/ListRefs', ...headers };
  const call = new ServerCall({
    stream: stream as Http2Stream,
    head: readCallHead(Object.entries(all).map(([name, value]) => headerField(name, value))),
    mux: undefined,
    clock: new ManualClock(),
    onFirstMessage() {},
    onEnded: (ended, code) => logCall(ended, code, 1.5, logger),
  });
  return { call, entry: () => logger.entries[0] };
}

describe('the line of a call', () => {
  test('names the method, the outcome, the caller, and what went over the wire', () => {
    const { call, entry } = startCall({
      'x-gitlab-correlation-id': '01HX',
      'x-gitlab-client-name': 'gitlab-web',
      call_site: 'ci',
    });
    call.onData(Buffer.alloc(7), 0, 7, false);
    call.sendData(Buffer.alloc(30), 10, 30, undefined);
    call.succeed();
    expect(entry()).toMatchObject({
      level: 'info',
      message: 'call ended',
      fields: {
        'grpc.service': 'gitaly.RefService',
        'grpc.method': 'ListRefs',
        'grpc.code': 'OK',
        'grpc.time_ms': 1.5,
        'grpc.request.payload_bytes': 7,
        'grpc.response.payload_bytes': 20,
        'grpc.meta.client_name': 'gitlab-web',
        'grpc.meta.call_site': 'ci',
        correlation_id: '01HX',
        error: undefined,
      },
    });
  });

  test('tells where a write went', () => {
    const { call, entry } = startCall();
    call.trace.writeRouted({ primary: 'a', voters: ['a', 'b', 'c'], learners: ['d'] });
    call.succeed();
    expect(entry()?.fields).toMatchObject({
      'route.primary': 'a',
      'route.secondaries': ['b', 'c'],
      'route.learners': ['d'],
      'route.storage': undefined,
    });
  });

  test('tells who does not hold a write, and why', () => {
    const { call, entry } = startCall();
    call.trace.writeRecorded(
      new Map([
        ['b', 'updated'],
        ['c', 'outdated'],
        ['d', 'node-error-status'],
      ] as const),
    );
    call.succeed();
    expect(entry()?.fields['route.behind']).toEqual(['c: outdated', 'd: node-error-status']);
  });

  test('tells where a read went, and where it failed before', () => {
    const { call, entry } = startCall();
    for (const storage of ['a', 'b', 'c']) call.trace.readRouted(storage);
    call.succeed();
    expect(entry()?.fields).toMatchObject({
      'route.storage': 'c',
      'route.failed_storages': ['a', 'b'],
    });
  });

  test("holds a storage's own words, and is no warning then", () => {
    const { call, entry } = startCall();
    const status = { code: statusCodes.INTERNAL, message: 'reference broken: ä' };
    call.sendTrailers(statusTrailers(status), status.code);
    expect(entry()).toMatchObject({
      level: 'info',
      fields: { 'grpc.code': 'Internal', error: 'reference broken: ä' },
    });
  });

  test.each([
    [statusCodes.UNAVAILABLE, 'warn'],
    [statusCodes.INTERNAL, 'warn'],
    [statusCodes.NOT_FOUND, 'info'],
    [statusCodes.INVALID_ARGUMENT, 'info'],
    [statusCodes.DEADLINE_EXCEEDED, 'info'],
    [statusCodes.UNAUTHENTICATED, 'info'],
  ])(
    'is a warning if the proxy fails the call and the client could not help it: %d %s',
    (code, level) => {
      const { call, entry } = startCall();
      call.fail({ code, message: 'why' });
      expect(entry()).toMatchObject({ level, fields: { error: 'why' } });
    },
  );

  test('is a warning if the answer is broken off', () => {
    const { call, entry } = startCall();
    call.sendData(Buffer.from([0, 0, 0, 0, 9, 1]), 0, 6, undefined);
    call.fail({ code: statusCodes.UNAVAILABLE, message: 'storage a failed' });
    expect(entry()).toMatchObject({ level: 'warn', fields: { error: 'storage a failed' } });
  });

  test('is not written for health checks that pass, unless all is to be told', () => {
    const { call, entry } = startCall({ ':path': '/grpc.health.v1.Health/Check' });
    call.succeed();
    expect(entry()?.level).toBe('debug');
  });

  test('holds neither tokens, nor metadata at large, nor passwords in addresses', () => {
    const { call, entry } = startCall({
      authorization: 'Bearer secret-1',
      'gitaly-servers': 'secret-2',
    });
    const url = 'https://user:secret-3@example.com/a.git';
    const status = { code: statusCodes.INTERNAL, message: `unable to access '${url}'` };
    call.sendTrailers(statusTrailers(status), status.code);
    expect(entry()?.fields['error']).toBe("unable to access 'https://[hidden]@example.com/a.git'");
    expect(JSON.stringify(entry())).not.toContain('secret');
  });

  test('has a bound, whatever the client writes', () => {
    const { call, entry } = startCall({
      ':path': `/${'a'.repeat(9000)}/b`,
      'x-gitlab-correlation-id': 'b'.repeat(9000),
      'x-gitlab-client-name': 'c'.repeat(9000),
      call_site: 'd'.repeat(9000),
    });
    call.trace.relativePath = 'e'.repeat(9000);
    call.fail({ code: statusCodes.INTERNAL, message: 'f'.repeat(9000) });
    expect(JSON.stringify(entry()).length).toBeLessThan(4096);
  });
});
