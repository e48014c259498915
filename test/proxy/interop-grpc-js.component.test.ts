import { credentials, Client, Metadata, status, type StatusObject } from '@grpc/grpc-js';
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack, DurationSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { FindDefaultBranchNameRequestSchema } from '../../src/gen/gitaly/ref_pb.ts';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.ts';
import { authorizationHeader } from '../../src/rpc/token.ts';
import { describeWithGo } from '../support/describe-with-go.ts';
import { eventually } from '../support/eventually.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import {
  InteropProxy,
  interopMethods,
  interopRepository,
  interopToken,
} from '../support/interop-proxy.ts';

const MiB = 1024 * 1024;
const firstMessage = Buffer.from(
  toBinary(
    FindDefaultBranchNameRequestSchema,
    create(FindDefaultBranchNameRequestSchema, { repository: interopRepository }),
  ),
);
/** Like `patterned` in test/go/interop. */
const patterned = (size: number) =>
  Buffer.from(Uint8Array.from({ length: size }, (_, index) => index * 7 + (index >> 8)));

interface Outcome {
  readonly messages: readonly Buffer[];
  readonly headers: Metadata | undefined;
  readonly end: StatusObject;
}

describeWithGo('grpc-js before the proxy and grpc-go behind it (skipped without Go)', () => {
  let proxy: InteropProxy;
  let client: Client;

  beforeAll(async () => {
    proxy = await InteropProxy.start(await goProgram('interop'));
    client = new Client(`127.0.0.1:${proxy.port}`, credentials.createInsecure(), {
      'grpc.max_metadata_size': MiB,
    });
  }, goProgramLimitMs);

  afterAll(async () => {
    client.close();
    await proxy.stop();
  });

  function open(behaviour: string, argument = '', deadlineMs = 60_000, more = new Metadata()) {
    const metadata = more.clone();
    metadata.set('authorization', authorizationHeader(interopToken, Date.now()));
    metadata.set('interop-behaviour', behaviour);
    metadata.set('interop-argument', argument);
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(
      interopMethods.read,
      (message) => message,
      (bytes) => bytes,
      metadata,
      { deadline: Date.now() + deadlineMs },
    );
    const messages: Buffer[] = [];
    let headers: Metadata | undefined;
    call.on('metadata', (received: Metadata) => {
      headers = received;
    });
    call.on('data', (message: Buffer) => messages.push(message));
    // The status says it too.
    call.on('error', () => {});
    const outcome = new Promise<Outcome>((resolve) => {
      call.on('status', (end: StatusObject) => resolve({ messages, headers, end }));
    });
    return { call, messages, outcome };
  }

  /** Makes a whole call that sends these messages after the first one. */
  function whole(
    behaviour: string,
    argument = '',
    rest: readonly Buffer[] = [],
    more?: Metadata,
  ): Promise<Outcome> {
    const { call, outcome } = open(behaviour, argument, undefined, more);
    for (const message of [firstMessage, ...rest]) call.write(message);
    call.end();
    return outcome;
  }

  test('messages of all sizes arrive whole and in order', async () => {
    const sizes = [0, 1, 16_384, 65_535, MiB, 0, 100];
    const produced = await whole('produce', sizes.join(' '));
    expect(produced.end.code).toBe(status.OK);
    expect(produced.messages.map((message) => message.equals(patterned(message.length)))).toEqual(
      sizes.map(() => true),
    );
    expect(produced.messages.map(({ length }) => length)).toEqual(sizes);
    const counted = await whole('count', '', sizes.map(patterned));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(counted.messages.map(String)).toEqual([`${sizes.length} ${total}`]);
  });

  test('an answer comes before the request has ended', async () => {
    const { call, messages, outcome } = open('echo');
    call.write(firstMessage);
    for (let index = 1; index <= 20; index++) {
      await eventually('the answer is there', () => messages.length === index);
      call.write(Buffer.alloc(index));
    }
    call.end();
    const { end } = await outcome;
    expect(end.code).toBe(status.OK);
    expect(messages.slice(1).map(({ length }) => length)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });

  test('a status arrives with its text and its details, with and without an answer before it', async () => {
    const told = create(StatusSchema, {
      code: status.FAILED_PRECONDITION,
      message: '100 % größer\n',
      details: [anyPack(DurationSchema, create(DurationSchema, { seconds: 60n }))],
    });
    const bytes = Buffer.from(toBinary(StatusSchema, told));
    for (const [behaviour, count] of [
      ['status', 0],
      ['answer and status', 1],
    ] as const) {
      const { end, messages } = await whole(behaviour, bytes.toString('base64'));
      expect(messages).toHaveLength(count);
      expect(end).toMatchObject({ code: told.code, details: told.message });
      expect(end.metadata.get('grpc-status-details-bin')).toEqual([bytes]);
    }
  });

  test('metadata goes there and back: large, of many keys, repeated, and binary', async () => {
    const sent = new Metadata();
    // node:http2 takes no more than 64 KiB of headers.
    sent.set('x-large', 'l'.repeat(20_000));
    for (let index = 0; index < 100; index++) sent.set(`x-key-${index}`, String(index));
    for (const value of ['b', 'a', 'b']) sent.add('x-repeated', value);
    const binary = [Buffer.from([0xff, 0]), Buffer.from('a'), Buffer.from([0])];
    for (const value of binary) sent.add('x-repeated-bin', value);
    const { end, headers } = await whole('echo', '', [], sent);
    expect(end.code).toBe(status.OK);
    for (const received of [headers, end.metadata]) {
      expect(received?.get('x-large')).toEqual(sent.get('x-large'));
      expect(received?.get('x-key-99')).toEqual(['99']);
      // What node:http2 makes of fields that repeat.
      expect(received?.get('x-repeated').join(', ')).toBe('b, a, b');
      expect(received?.get('x-repeated-bin')).toEqual(binary);
    }
  });

  test('a call that is given up ends at the storage', async () => {
    const { call, outcome } = open('hang', 'js-cancelled');
    call.write(firstMessage);
    const known = async () => String((await whole('tell', 'js-cancelled')).messages[0] ?? '');
    await eventually('the storage has it', async () => (await known()).includes('false'));
    call.cancel();
    expect((await outcome).end.code).toBe(status.CANCELLED);
    await eventually('the storage has heard', async () => (await known()).includes('true'));
  });

  test('a deadline ends a call here and there', async () => {
    // More and more, until it is enough for the call to reach the storage.
    for (let limitMs = 500; ; limitMs *= 2) {
      const name = `js-limited-${limitMs}`;
      const { call, outcome } = open('hang', name, limitMs);
      call.write(firstMessage);
      expect((await outcome).end.code).toBe(status.DEADLINE_EXCEEDED);
      const known = await whole('tell', name);
      if (known.end.code === status.NOT_FOUND) continue;
      await eventually('the storage has heard', async () =>
        String((await whole('tell', name)).messages[0]).includes('true'),
      );
      return;
    }
  });

  test('messages that are too long are refused by who cannot take them', async () => {
    const exhausted = { code: status.RESOURCE_EXHAUSTED };
    const { call, outcome } = open('count');
    call.end(Buffer.concat([firstMessage, Buffer.from([0x12, 0x80, 0x80, 0x80, 2]), long]));
    expect((await outcome).end).toMatchObject(exhausted);
    expect((await whole('count', '', [Buffer.alloc(16 * MiB)])).end).toMatchObject(exhausted);
    expect((await whole('produce', String(16 * MiB))).end).toMatchObject(exhausted);
  });

  test('a request without a message is refused, and one that is not read to its end may end well', async () => {
    const { call, outcome } = open('echo');
    call.end();
    expect((await outcome).end.code).toBe(status.INTERNAL);
    const rest = Array.from({ length: 20 }, () => Buffer.alloc(MiB));
    expect((await whole('first only', '', rest)).end.code).toBe(status.OK);
  });

  test('a storage that is lost inside a message makes the call unavailable', async () => {
    const { end, messages } = await whole('cut inside');
    expect(end.code).toBe(status.UNAVAILABLE);
    expect(messages).toEqual([]);
  });

  test('a storage that dies and comes back is found again', async () => {
    await proxy.restartServer();
    await eventually('the storage serves', async () => {
      const { end, messages } = await whole('echo');
      expect([status.OK, status.UNAVAILABLE]).toContain(end.code);
      return end.code === status.OK && messages.length === 1;
    });
  });
});

const long = Buffer.alloc(4 * MiB);
