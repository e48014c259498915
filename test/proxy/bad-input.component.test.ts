import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { toBinary, create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FindDefaultBranchNameRequestSchema } from '../../src/gen/gitaly/ref_pb.ts';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import { errorCodes } from '../../src/proxy/wire/http2/errors.ts';
import { clientPreface, frameFlags, frameTypes } from '../../src/proxy/wire/http2/frames.ts';
import { encodeFrame } from '../../src/proxy/wire/http2/testing.ts';
import { backchannelMagic } from '../../src/proxy/wire/magic.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { authorizationHeader } from '../../src/rpc/token.ts';
import { ProxyCluster } from '../support/proxy-cluster.ts';
import { HeaderBlockWriter, RawConnection } from '../support/raw-connection.ts';
import { RecordingLogger } from '../support/recording-logger.ts';
import { singleCall, type Answer, type SingleCallOptions } from '../support/single-call.ts';
import { SteadyClient } from '../support/steady-client.ts';

const repository = { storageName: 'default', relativePath: 'group/project.git' };
const findBranch = '/gitaly.RefService/FindDefaultBranchName';
/** What takes its time only when the proxy waits for more must be over well before its limits. */
const promptMs = 8000;
/** A flood is work, too. */
const floodLimitMs = 25_000;
/** The proxy's limit for a handshake is 10 s. */
const handshakeLimitMs = 60_000;
const none = Buffer.alloc(0);

const log = new RecordingLogger();
let cluster: ProxyCluster;
let steady: SteadyClient;
let port: number;

beforeAll(async () => {
  cluster = await ProxyCluster.start({ logger: log });
  steady = new SteadyClient(cluster.client(), repository);
  await steady.prepare();
  port = cluster.proxies[0]?.grpcPort ?? 0;
});

afterAll(async () => {
  await cluster.stop();
});

function token(secret: string = ProxyCluster.clientToken, offsetMs = 0): string {
  return authorizationHeader(secret, Date.now() + offsetMs);
}

function requestFor(target: { storageName?: string; relativePath?: string } | undefined): Buffer {
  const request = target === undefined ? {} : { repository: target };
  const message = create(FindDefaultBranchNameRequestSchema, request);
  return encodeMessage(toBinary(FindDefaultBranchNameRequestSchema, message));
}

/** Makes one call; without more options one that succeeds. */
function call(options: SingleCallOptions, session?: ClientHttp2Session): Promise<Answer> {
  const { path = findBranch, headers = {}, body = requestFor(repository) } = options;
  const withToken = { authorization: token(), ...headers };
  return singleCall(port, { ...options, path, body, headers: withToken }, session);
}

describe('a token', () => {
  const { UNAUTHENTICATED, PERMISSION_DENIED } = statusCodes;
  test.each([
    ['is missing', () => undefined, UNAUTHENTICATED, 'authentication required'],
    ['is no token', () => 'Bearer secret', UNAUTHENTICATED, 'authentication required'],
    [
      'is signed with another secret',
      () => token('another'),
      PERMISSION_DENIED,
      'permission denied: wrong hmac signature',
    ],
    [
      'is of another version',
      () => token().replace('v2', 'v1'),
      PERMISSION_DENIED,
      'permission denied: invalid token version',
    ],
    [
      'is too old',
      () => token(ProxyCluster.clientToken, -60_000),
      PERMISSION_DENIED,
      'permission denied: token has expired',
    ],
    [
      'is of the future',
      () => token(ProxyCluster.clientToken, 60_000),
      PERMISSION_DENIED,
      "permission denied: token's validity window is in future",
    ],
  ])('that %s is refused', async (_, authorization, code, message) => {
    await steady.during(async () => {
      const answer = await call({ headers: { authorization: authorization() } });
      expect(answer).toMatchObject({ code, message });
      // Without waiting for a message that may never come.
      const early = call({ headers: { authorization: authorization() }, body: none, ends: false });
      expect(await early).toMatchObject({ code, message });
    });
  });
});

describe('a request', () => {
  const { DEADLINE_EXCEEDED, INTERNAL, INVALID_ARGUMENT } = statusCodes;
  const { NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, OK } = statusCodes;
  const announcing = (bytes: number) =>
    Buffer.from([0, bytes >>> 24, bytes >>> 16, bytes >>> 8, bytes]);
  const health = {
    path: '/grpc.health.v1.Health/Check',
    headers: { authorization: undefined },
  };
  const cases: readonly (readonly [string, SingleCallOptions, number])[] = [
    ['that is right', {}, OK],
    ['with more time than a timer can count', { headers: { 'grpc-timeout': '99999999H' } }, OK],
    ['with no time left', { headers: { 'grpc-timeout': '0S' } }, DEADLINE_EXCEEDED],
    ['with less time than none', { headers: { 'grpc-timeout': '-1S' } }, INTERNAL],
    ['without a message', { body: none }, INTERNAL],
    ['that ends in its first message', { body: requestFor(repository).subarray(0, -1) }, INTERNAL],
    ['that ends in a prefix', { body: Buffer.alloc(3) }, INTERNAL],
    [
      'that stops in its first message, with a time limit',
      {
        body: requestFor(repository).subarray(0, -1),
        ends: false,
        headers: { 'grpc-timeout': '200m' },
      },
      DEADLINE_EXCEEDED,
    ],
    [
      'that is no protobuf',
      { body: encodeMessage(Buffer.from('\xff\xff\xff', 'latin1')) },
      INTERNAL,
    ],
    [
      'whose length goes beyond its end',
      { body: encodeMessage(Buffer.from([0x0a, 0x7f, 0x01])) },
      INTERNAL,
    ],
    [
      'that announces a message that is too long',
      { body: announcing(4 * 1024 * 1024 + 1), ends: false },
      RESOURCE_EXHAUSTED,
    ],
    ['that announces 4 GiB', { body: announcing(0xffff_ffff), ends: false }, RESOURCE_EXHAUSTED],
    [
      'whose message is marked as compressed',
      { body: Buffer.concat([Buffer.from([1]), requestFor(repository).subarray(1)]) },
      INTERNAL,
    ],
    ['that is compressed', { headers: { 'grpc-encoding': 'gzip' } }, UNIMPLEMENTED],
    ['without a repository', { body: requestFor(undefined) }, INVALID_ARGUMENT],
    ['for no storage', { body: requestFor({ relativePath: 'a.git' }) }, INVALID_ARGUMENT],
    ['for no path', { body: requestFor({ storageName: 'default' }) }, INVALID_ARGUMENT],
    [
      'for an unknown storage',
      { body: requestFor({ ...repository, storageName: 'other' }) },
      INVALID_ARGUMENT,
    ],
    [
      'for an unknown repository',
      { body: requestFor({ ...repository, relativePath: 'other.git' }) },
      NOT_FOUND,
    ],
    [
      'for a repository outside of the storage',
      { body: requestFor({ ...repository, relativePath: '../../etc' }) },
      NOT_FOUND,
    ],
    ['for an unknown method', { path: '/gitaly.RefService/Nothing' }, UNIMPLEMENTED],
    ['for an unknown service', { path: '/a.Service/Method' }, UNIMPLEMENTED],
    ['for what is no method', { path: '*' }, UNIMPLEMENTED],
    ['for a path that is very long', { path: `/${'a'.repeat(50_000)}/b` }, UNIMPLEMENTED],
    ['for health, without a token', { ...health, body: encodeMessage(none) }, OK],
    [
      'for health, without a token, that is long',
      { ...health, body: announcing(64 * 1024 + 1), ends: false },
      RESOURCE_EXHAUSTED,
    ],
  ];
  test.each(cases)('%s gets its status', async (_, options, code) => {
    const answer = await steady.during(() => call(options));
    expect(answer).toMatchObject({ code });
  });

  test.each([
    [{ ':method': 'GET' }, 405],
    [{ ':method': 'PUT' }, 405],
    [{ 'content-type': 'application/json' }, 415],
    [{ 'content-type': undefined, authorization: undefined }, 415],
    [{ 'grpc-timeout': 'soon' }, 400],
    [{ 'grpc-timeout': '123456789m', authorization: undefined }, 400],
  ])('with %j is none of gRPC, and gets HTTP %d', async (headers, httpStatus) => {
    for (const ends of [true, false]) {
      const answer = await steady.during(() => call({ headers, ends }));
      expect(answer).toMatchObject({ httpStatus, reset: 0 });
    }
  });

  test('that fails leaves the other calls of its connection alone', async () => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const codes = await steady.during(() =>
      Promise.all(cases.map(async ([, options]) => (await call(options, session)).code)),
    );
    session.destroy();
    expect(codes).toEqual(cases.map(([, , code]) => code));
  });

  test('with too many headers is reset, and its connection goes on', async () => {
    const session = connectHttp2(`http://127.0.0.1:${port}`, { maxSendHeaderBlockLength: 1 << 24 });
    const names = Array.from({ length: 3000 }, (_, index) => `x-${index}`);
    await steady.during(async () => {
      const tooMany = call(
        { headers: Object.fromEntries(names.map((name) => [name, ''])) },
        session,
      );
      expect(await tooMany).toMatchObject({ code: undefined, reset: errorCodes.enhanceYourCalm });
      const tooLong = call({ headers: { 'x-long': 'a'.repeat(1_100_000) } }, session);
      expect(await tooLong).toMatchObject({ code: undefined, reset: errorCodes.enhanceYourCalm });
      expect(await call({}, session)).toMatchObject({ code: statusCodes.OK });
    });
    session.destroy();
  });
});

describe('a connection', () => {
  async function endedWithin(
    limitMs: number,
    ...pieces: readonly (Buffer | string)[]
  ): Promise<number | undefined> {
    const connection = new RawConnection(port);
    try {
      await steady.during(() => connection.send(...pieces).closed(limitMs));
      return connection.goAwayCode;
    } finally {
      connection.destroy();
    }
  }

  test.each([
    ['garbage', Buffer.from(Array.from({ length: 64 }, (_, index) => (index * 151 + 7) & 0xff))],
    ['a request of HTTP/1.1', 'GET / HTTP/1.1\r\nHost: gitaly\r\n\r\n'],
    ['another magic', 'backchannes'],
    ['zeros', Buffer.alloc(100)],
    ['the magic and no yamux', Buffer.concat([backchannelMagic, Buffer.alloc(24, 0xee)])],
    ['a wrong preface', 'PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n'],
    ['a preface and no frame', Buffer.concat([clientPreface, Buffer.alloc(64, 0xff)])],
  ])('that begins with %s is closed at once', async (_, bytes) => {
    await endedWithin(promptMs, bytes);
  });

  test('that speaks TLS to the plain port is closed at once', async () => {
    const refused = steady.during(
      () =>
        new Promise<void>((_, reject) => {
          const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
          socket.once('secureConnect', () => reject(new Error('TLS was accepted')));
          socket.once('error', reject);
        }),
    );
    await expect(refused).rejects.toThrow(
      /wrong version number|packet length|disconnected|ECONNRESET/i,
    );
  });

  test(
    'that falls silent in its handshake is closed at the limit',
    async () => {
      // A yamux window update that opens stream 1, and one that sends it data of 5 bytes.
      const openStream = Buffer.from('000100010000000100000000', 'hex');
      const begunStream = Buffer.concat([
        openStream,
        Buffer.from('000000000000000100000005', 'hex'),
      ]);
      const beginnings = [
        none,
        backchannelMagic.subarray(0, 4),
        backchannelMagic,
        Buffer.concat([backchannelMagic, Buffer.from([0, 1])]),
        Buffer.concat([backchannelMagic, openStream]),
        Buffer.concat([backchannelMagic, begunStream, Buffer.from('PRI *')]),
        clientPreface.subarray(0, 10),
        clientPreface,
      ];
      const connections = beginnings.map((bytes) => new RawConnection(port).send(bytes));
      const closed = steady.during(() =>
        Promise.all(connections.map((connection) => connection.closed(handshakeLimitMs))),
      );
      await closed.finally(() => {
        for (const connection of connections) connection.destroy();
      });
      expect(connections.at(-1)?.goAwayCode).toBe(errorCodes.settingsTimeout);
    },
    2 * handshakeLimitMs,
  );

  describe('that floods', () => {
    const hello = Buffer.concat([clientPreface, encodeFrame(frameTypes.settings, 0, 0, none)]);
    const head = () => ({
      ':method': 'POST',
      ':scheme': 'http',
      ':path': findBranch,
      'content-type': 'application/grpc',
      authorization: token(),
    });
    const times = (count: number, frame: (index: number) => Buffer) =>
      Buffer.concat(Array.from({ length: count }, (_, index) => frame(index)));

    test('with calls that it resets is ended', async () => {
      const blocks = new HeaderBlockWriter();
      const cancel = Buffer.from([0, 0, 0, errorCodes.cancel]);
      const flood = times(5000, (index) => {
        const id = 2 * index + 1;
        const block = blocks.encode(head());
        return Buffer.concat([
          encodeFrame(frameTypes.headers, frameFlags.endHeaders, id, block),
          encodeFrame(frameTypes.rstStream, 0, id, cancel),
        ]);
      });
      expect(await endedWithin(floodLimitMs, hello, flood)).toBe(errorCodes.enhanceYourCalm);
    });

    test('with calls that are refused has each of them answered', async () => {
      const session = connectHttp2(`http://127.0.0.1:${port}`).setMaxListeners(0);
      const refused = { headers: { authorization: undefined } };
      const answers = await steady.during(() =>
        Promise.all(Array.from({ length: 1000 }, () => call(refused, session))),
      );
      session.destroy();
      const { UNAUTHENTICATED } = statusCodes;
      expect(answers.filter(({ code }) => code === UNAUTHENTICATED)).toHaveLength(1000);
    });

    test('with the smallest pieces of a message takes no time that grows with its square', async () => {
      const block = new HeaderBlockWriter().encode(head());
      const begin = encodeFrame(frameTypes.headers, frameFlags.endHeaders, 1, block);
      const prefix = encodeFrame(frameTypes.data, 0, 1, Buffer.from([0, 0, 8, 0, 0]));
      const flood = times(60_000, () => encodeFrame(frameTypes.data, 0, 1, Buffer.alloc(8)));
      const end = encodeFrame(frameTypes.data, 0, 0, none);
      expect(await endedWithin(floodLimitMs, hello, begin, prefix, flood, end)).toBe(
        errorCodes.protocolError,
      );
    });

    test('with pings is ended', async () => {
      const flood = times(20_000, () => encodeFrame(frameTypes.ping, 0, 0, Buffer.alloc(8)));
      expect(await endedWithin(floodLimitMs, hello, flood)).toBe(errorCodes.enhanceYourCalm);
    });

    test('with settings is ended', async () => {
      const flood = times(5000, () => encodeFrame(frameTypes.settings, 0, 0, none));
      expect(await endedWithin(floodLimitMs, hello, flood)).toBe(errorCodes.enhanceYourCalm);
    });

    test('with headers that never end is ended', async () => {
      const block = new HeaderBlockWriter().encode(head());
      const begin = encodeFrame(frameTypes.headers, 0, 1, block);
      const flood = times(1000, () => encodeFrame(frameTypes.continuation, 0, 1, none));
      expect(await endedWithin(floodLimitMs, hello, begin, flood)).toBe(errorCodes.enhanceYourCalm);
      const long = times(200, () =>
        encodeFrame(frameTypes.continuation, 0, 1, Buffer.alloc(16_384)),
      );
      expect(await endedWithin(floodLimitMs, hello, begin, long)).toBe(errorCodes.enhanceYourCalm);
    });
  });
});

describe('the log', () => {
  test('tells of all this without a secret', () => {
    expect(log.lines.length).toBeGreaterThan(100);
    const secrets = /token of the|bearer|v2\.[0-9a-f]{8}/i;
    expect(log.lines.filter((line) => secrets.test(line))).toEqual([]);
  });
});
