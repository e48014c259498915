import { afterEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../../../test/support/eventually.ts';
import { Scope } from '../../../base/scope.ts';
import { statusCodes } from '../../../rpc/status.ts';
import { connectGrpcJsClient, startGrpcJsServer } from './conformance/grpc-js-peer.ts';
import { connectNodeClient, startNodeServer } from './conformance/node-peer.ts';
import { connectOwnClient, startOwnServer } from './conformance/own-peer.ts';
import {
  blobHeader,
  blobTrailer,
  echoPath,
  holdPath,
  largeTrailer,
  resetPath,
  wantedHeader,
  type PeerCall,
  type PeerOptions,
} from './conformance/peer.ts';

const pairs = [
  { name: 'our client and our server', connect: connectOwnClient, start: startOwnServer },
  {
    name: 'our client and the server of node:http2',
    connect: connectOwnClient,
    start: startNodeServer,
  },
  {
    name: 'the client of node:http2 and our server',
    connect: connectNodeClient,
    start: startOwnServer,
  },
  {
    name: 'our client and the server of grpc-js',
    connect: connectOwnClient,
    start: startGrpcJsServer,
  },
  {
    name: 'the client of grpc-js and our server',
    connect: connectGrpcJsClient,
    start: startOwnServer,
  },
];

const KiB = 1024;
const defaults: PeerOptions = { windowBytes: 256 * KiB, maxHeaderListBytes: 32 * KiB };

let scope = new Scope();
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

/** Sends one message, ends, and returns the answer once it is complete. */
async function echoOnce(call: PeerCall, message: Buffer): Promise<Buffer> {
  call.send(message);
  call.end();
  const { status } = await call.outcome;
  expect(status).toBe(statusCodes.OK);
  return Buffer.concat(call.messages);
}

describe.each(pairs)('$name', ({ connect, start }) => {
  async function pair(options: PeerOptions = defaults) {
    const server = scope.own(await start(options));
    const client = scope.own(await connect(server.port, options));
    return { server, client };
  }

  test('keep 200 calls at once apart', async () => {
    const { client } = await pair();
    const calls = Array.from({ length: 200 }, () => client.call(echoPath));
    const messages = calls.map((_, index) => Buffer.alloc(100 + 50 * index, index));
    // All are open before the first ends.
    for (const call of calls) call.send(Buffer.from('first '));
    const answers = await Promise.all(
      calls.map((call, index) => echoOnce(call, messages[index] ?? Buffer.alloc(0))),
    );
    const expected = messages.map((message) => Buffer.concat([Buffer.from('first '), message]));
    expect(
      answers.map((answer, index) => answer.equals(expected[index] ?? Buffer.alloc(0))),
    ).toEqual(expected.map(() => true));
  });

  test('stream both ways, message by message', async () => {
    const { client } = await pair();
    const call = client.call(echoPath);
    for (let round = 1; round <= 50; round++) {
      call.send(Buffer.from(`message ${round}`));
      await eventually(`answer ${round}`, () => call.messages.length === round);
      expect(call.messages.at(-1)?.toString()).toBe(`message ${round}`);
    }
    call.end();
    expect(await call.outcome).toMatchObject({ status: statusCodes.OK });
  });

  test('carry an empty message and one of 10 MB through windows of 16 KiB', async () => {
    const { client } = await pair({ ...defaults, windowBytes: 16 * KiB });
    const large = Buffer.alloc(10 * KiB * KiB);
    for (let at = 0; at < large.length; at += 4) large.writeUInt32BE(at, at);
    const call = client.call(echoPath);
    call.send(Buffer.alloc(0));
    const answer = await echoOnce(call, large);
    expect(call.messages.map(({ length }) => length)).toEqual([0, large.length]);
    expect(answer.equals(large)).toBe(true);
  });

  test('agree on trailers, large ones too', async () => {
    const { client } = await pair();
    const call = client.call(echoPath, { [wantedHeader]: String(20 * KiB), [blobHeader]: 'four' });
    call.end();
    const { status, trailers } = await call.outcome;
    expect(status).toBe(statusCodes.OK);
    expect(trailers[largeTrailer]).toHaveLength(20 * KiB);
    expect(trailers[blobTrailer]).toBe('4');
  });

  test('take headers up to the limit, and refuse more on that call only', async () => {
    const { client } = await pair();
    const before = client.call(echoPath);
    before.send(Buffer.from('early'));
    await eventually('the first call is answered', () => before.messages.length === 1);

    const allowed = client.call(echoPath, { [blobHeader]: 'b'.repeat(30 * KiB) });
    allowed.end();
    expect((await allowed.outcome).trailers[blobTrailer]).toBe(String(30 * KiB));
    // Each field counts for 32 bytes more than it has: RFC 9113 section 6.5.2.
    const names = Array.from({ length: 1000 }, (_, index) => `x-field-${index}`);
    const refused = client.call(echoPath, Object.fromEntries(names.map((name) => [name, ''])));
    refused.end();
    expect((await refused.outcome).status).toBe(statusCodes.RESOURCE_EXHAUSTED);

    expect((await echoOnce(before, Buffer.from(' and late'))).toString()).toBe('early and late');
  });

  test('end a call that the client gives up, and no other', async () => {
    const { client, server } = await pair();
    const [given, kept] = [client.call(holdPath), client.call(echoPath)];
    given.send(Buffer.from('x'));
    kept.send(Buffer.from('kept '));
    await eventually('both are answered', () => given.messages.length * kept.messages.length === 1);
    given.cancel();
    await eventually('the server hears of it', () => server.cancelled === 1);
    expect((await echoOnce(kept, Buffer.from('call'))).toString()).toBe('kept call');
    expect(server.cancelled).toBe(1);
  });

  test('end a call that the server breaks off, and no other', async () => {
    const { client } = await pair();
    const [broken, kept] = [client.call(resetPath), client.call(echoPath)];
    broken.send(Buffer.from('x'));
    expect((await broken.outcome).status).toBe(statusCodes.CANCELLED);
    expect((await echoOnce(kept, Buffer.from('kept'))).toString()).toBe('kept');
  });

  test.each(['server', 'client'] as const)(
    'finish what is open when the %s goes away, and close',
    async (who) => {
      const { client, server } = await pair();
      const calls = Array.from({ length: 20 }, () => client.call(echoPath));
      for (const call of calls) call.send(Buffer.from('before '));
      await eventually('all are answered', () =>
        calls.every(({ messages }) => messages.length === 1),
      );
      (who === 'server' ? server : client).goAway();
      const answers = await Promise.all(calls.map((call) => echoOnce(call, Buffer.from('after'))));
      expect(new Set(answers.map(String))).toEqual(new Set(['before after']));
      // The end that is ours knows.
      await eventually(
        'the connection closes',
        () => (server.connections ?? client.connections) === 0,
      );
    },
  );

  test('answer pings while they carry data, if they can ping', async () => {
    const { client, server } = await pair();
    const call = client.call(echoPath);
    call.send(Buffer.alloc(1024 * KiB));
    await Promise.all([client.ping?.(), server.ping?.()]);
    expect((await echoOnce(call, Buffer.from('x'))).length).toBe(1024 * KiB + 1);
  });
});
