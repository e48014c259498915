import { createServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, test } from '@jest/globals';
import { startClusterIp } from '../../test/support/cluster-ip.ts';
import { eventually } from '../../test/support/eventually.ts';
import { implement, startRpcServer, type Implementation } from '../../test/support/rpc-server.ts';
import { sleep, systemClock } from '../base/clock.ts';
import { deferred } from '../base/deferred.ts';
import { Scope } from '../base/scope.ts';
import { BlobService } from '../gen/gitaly/blob_pb.ts';
import { ReferencesLockedErrorSchema } from '../gen/gitaly/errors_pb.ts';
import { RefService } from '../gen/gitaly/ref_pb.ts';
import { SSHService } from '../gen/gitaly/ssh_pb.ts';
import { openRpcChannel, type RpcChannelOptions } from './channel.ts';
import { createRpcClient } from './client.ts';
import { findDetail, RpcError } from './rpc-error.ts';
import { statusCodes } from './status.ts';
import { verifyToken } from './token.ts';

let scope = new Scope();

afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

async function channelTo(implementation: Implementation, options: Partial<RpcChannelOptions> = {}) {
  const server = scope.own(await startRpcServer([implementation]));
  return scope.own(openRpcChannel({ clock: systemClock, address: server.address, ...options }));
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe('a unary call', () => {
  test('resolves with the answer', async () => {
    const refs = createRpcClient(
      RefService,
      await channelTo(
        implement(RefService, {
          refExists: (request) =>
            Promise.resolve({ value: text(request.ref) === 'refs/heads/main' }),
        }),
      ),
    );
    const repository = { storageName: 'default', relativePath: 'a.git' };
    const ref = Buffer.from('refs/heads/main');
    expect(await refs.refExists({ repository, ref })).toMatchObject({ value: true });
    expect(await refs.refExists({ repository })).toMatchObject({ value: false });
  });

  test('rejects with the code, the text and the details of the status', async () => {
    const locked = create(ReferencesLockedErrorSchema, { refs: [Buffer.from('refs/heads/main')] });
    const refs = createRpcClient(
      RefService,
      await channelTo(
        implement(RefService, {
          deleteRefs() {
            const details = [anyPack(ReferencesLockedErrorSchema, locked)];
            return Promise.reject(new RpcError(statusCodes.ABORTED, 'locked', details));
          },
        }),
      ),
    );
    const error = RpcError.from(await refs.deleteRefs({}).catch((thrown: unknown) => thrown));
    expect(error).toMatchObject({ code: statusCodes.ABORTED, message: 'locked' });
    expect(findDetail(error, ReferencesLockedErrorSchema)?.refs.map(text)).toEqual([
      'refs/heads/main',
    ]);
  });

  test('carries a token that the server can verify, and metadata', async () => {
    const seen = deferred<string>();
    const refs = createRpcClient(
      RefService,
      await channelTo(
        implement(RefService, {
          refExists(_request, call) {
            const header = String(call.metadata.get('authorization')[0]);
            seen.resolve(String(call.metadata.get('x-correlation-id')[0]));
            return Promise.resolve({
              value: verifyToken(header, ['s3cret'], Date.now()).kind === 'accepted',
            });
          },
        }),
        { secret: () => 's3cret' },
      ),
    );
    const answer = await refs.refExists({}, { metadata: { 'x-correlation-id': 'abc' } });
    expect(answer.value).toBe(true);
    expect(await seen.promise).toBe('abc');
  });

  test('ends with DEADLINE_EXCEEDED, and the server is told', async () => {
    const cancelled = deferred<void>();
    const arrived: object[] = [];
    const refs = createRpcClient(
      RefService,
      await channelTo(
        implement(RefService, {
          refExists: (_request, call) =>
            new Promise((_resolve, reject) => {
              arrived.push(call);
              call.signal.addEventListener('abort', () => {
                cancelled.resolve();
                reject(new Error('cancelled'));
              });
            }),
        }),
      ),
    );
    // More and more, until it is enough for the call to reach the server, however busy the machine is.
    for (let deadlineMs = 200; arrived.length === 0; deadlineMs *= 2) {
      await expect(refs.refExists({}, { deadlineMs })).rejects.toMatchObject({ code: 4 });
    }
    await cancelled.promise;
  });

  test('ends with CANCELLED when its signal is aborted, before or during the call', async () => {
    const aborter = new AbortController();
    const refs = createRpcClient(
      RefService,
      await channelTo(
        implement(RefService, {
          refExists() {
            aborter.abort();
            return new Promise(() => {});
          },
        }),
      ),
    );
    const options = { signal: aborter.signal };
    await expect(refs.refExists({}, options)).rejects.toMatchObject({ code: 1 });
    await expect(refs.refExists({}, options)).rejects.toMatchObject({ code: 1 });
  });

  test('ends with UNAVAILABLE if nobody listens', async () => {
    const server = await startRpcServer([]);
    await server.stop();
    const channel = scope.own(openRpcChannel({ clock: systemClock, address: server.address }));
    await expect(createRpcClient(RefService, channel).refExists({})).rejects.toMatchObject({
      code: statusCodes.UNAVAILABLE,
      retryable: true,
    });
    expect(await channel.ready(50)).toBe(false);
  });
});

describe('a server stream', () => {
  test('delivers each message, then the error', async () => {
    const blobs = createRpcClient(
      BlobService,
      await channelTo(
        implement(BlobService, {
          async *getBlob() {
            yield { oid: 'a', data: Buffer.from('1') };
            yield { data: Buffer.from('2') };
            throw new RpcError(statusCodes.DATA_LOSS, 'the rest is gone');
          },
        }),
      ),
    );
    const received: string[] = [];
    const reading = (async () => {
      for await (const message of blobs.getBlob({})) received.push(text(message.data));
    })();
    await expect(reading).rejects.toMatchObject({ code: statusCodes.DATA_LOSS });
    expect(received).toEqual(['1', '2']);
  });

  test('is cancelled when the reader leaves early', async () => {
    const cancelled = deferred<void>();
    const blobs = createRpcClient(
      BlobService,
      await channelTo(
        implement(BlobService, {
          async *getBlob(_request, call) {
            call.signal.addEventListener('abort', () => cancelled.resolve());
            for (;;) yield { data: Buffer.alloc(65_536) };
          },
        }),
      ),
    );
    for await (const message of blobs.getBlob({})) {
      expect(message.data).toHaveLength(65_536);
      break;
    }
    await cancelled.promise;
  });
});

describe('a client stream', () => {
  test('resolves with the answer to all its messages', async () => {
    const refs = createRpcClient(
      RefService,
      await channelTo(
        implement(RefService, {
          async updateReferences(requests) {
            let count = 0;
            for await (const request of requests) count += request.updates.length;
            if (count !== 20) throw new RpcError(statusCodes.INVALID_ARGUMENT, `${count} updates`);
            return {};
          },
        }),
      ),
    );
    const call = await refs.updateReferences();
    for (let count = 0; count < 20; count++) expect(await call.write({ updates: [{}] })).toBe(true);
    await call.finish();
  });
});

describe('a bidirectional stream', () => {
  test('carries messages both ways at the same time', async () => {
    const ssh = createRpcClient(
      SSHService,
      await channelTo(
        implement(SSHService, {
          async *sSHReceivePack(requests) {
            for await (const request of requests) yield { stdout: request.stdin };
            yield { exitStatus: { value: 3 } };
          },
        }),
      ),
    );
    const call = await ssh.sSHReceivePack({ deadlineMs: Infinity });
    const answers = call.responses[Symbol.asyncIterator]();
    for (const line of ['one', 'two']) {
      await call.write({ stdin: Buffer.from(line) });
      const { value } = await answers.next();
      expect(text(value.stdout)).toBe(line);
    }
    call.end();
    expect((await answers.next()).value.exitStatus.value).toBe(3);
    expect((await answers.next()).done).toBe(true);
  });

  test('holds the writer back while the server does not read, and lets it go when the call ends', async () => {
    const stopServing = deferred<void>();
    const ssh = createRpcClient(
      SSHService,
      await channelTo(
        implement(SSHService, {
          async *sSHReceivePack() {
            await stopServing.promise;
            yield { exitStatus: { value: 128 } };
            throw new RpcError(statusCodes.INTERNAL, 'cmd wait: exit status 128');
          },
        }),
      ),
    );
    const call = await ssh.sSHReceivePack();
    const mostWrites = 64;
    let written = 0;
    const writing = (async () => {
      while (written < mostWrites && (await call.write({ stdin: new Uint8Array(1024 * 1024) }))) {
        written += 1;
      }
    })();
    // A writer that is not held back is soon done.
    await Promise.race([writing, sleep(systemClock, 500)]);
    stopServing.resolve();
    const codes: number[] = [];
    const reading = (async () => {
      for await (const answer of call.responses) codes.push(answer.exitStatus?.value ?? -1);
    })();
    await expect(reading).rejects.toMatchObject({ code: statusCodes.INTERNAL });
    expect(codes).toEqual([128]);
    await writing;
    expect(written).toBeLessThan(mostWrites);
    expect(await call.write({})).toBe(false);
  });
});

describe('a channel that is closed while its server cannot be reached', () => {
  test('leaves no connection behind when that can be reached again', async () => {
    const backoffMs = 300;
    let attempts = 0;
    let isAway = true;
    const open = new Set<Socket>();
    const server = createServer();
    server.on('connection', (socket: Socket) => {
      attempts += 1;
      if (isAway) socket.destroy();
      else open.add(socket.once('close', () => open.delete(socket)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    scope.onStop(() => {
      for (const socket of open) socket.destroy();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const channels = Array.from({ length: 10 }, () =>
      openRpcChannel({
        clock: systemClock,
        address: `tcp://127.0.0.1:${port}`,
        settings: {
          'grpc.initial_reconnect_backoff_ms': backoffMs,
          'grpc.max_reconnect_backoff_ms': backoffMs,
        },
      }),
    );
    const waiting = channels.map((channel) => channel.ready(60_000));
    await eventually('each has tried again', () => attempts >= 2 * channels.length);
    await Promise.all(channels.map((channel) => channel.stop()));
    isAway = false;
    expect(await Promise.all(waiting)).not.toContain(true);
    // The next attempts would come in this time.
    await sleep(systemClock, 2 * backoffMs);
    await eventually('no connection is left', () => open.size === 0);
  });
});

describe('a call whose server drains', () => {
  test('goes on to its end, however many pings would be due', async () => {
    const server = scope.own(
      await startRpcServer([
        implement(SSHService, {
          async *sSHReceivePack(requests) {
            for await (const request of requests) yield { stdout: request.stdin };
          },
        }),
      ]),
    );
    const keepaliveMs = 20;
    const channel = scope.own(
      openRpcChannel({
        clock: systemClock,
        address: server.address,
        settings: { 'grpc.keepalive_time_ms': keepaliveMs },
      }),
    );
    const call = await createRpcClient(SSHService, channel).sSHReceivePack();
    const answers = call.responses[Symbol.asyncIterator]();
    const echo = async (line: string) => {
      await call.write({ stdin: Buffer.from(line) });
      const { value } = await answers.next();
      expect(text(value?.stdout ?? Buffer.of())).toBe(line);
    };
    await echo('before');
    const drained = server.drain();
    await echo('after');
    await sleep(systemClock, 10 * keepaliveMs);
    await echo('long after');
    call.end();
    expect((await answers.next()).done).toBe(true);
    await drained;
  });
});

test('an address of no known form is refused at once', () => {
  expect(() => openRpcChannel({ clock: systemClock, address: 'gitaly:8075' })).toThrow(
    'use tcp://host:port',
  );
});

test('a server that speaks no TLS is not ready for a client that does', async () => {
  const server = scope.own(await startRpcServer([]));
  const address = `tls://127.0.0.1:${server.port}`;
  const channel = scope.own(openRpcChannel({ clock: systemClock, address }));
  expect(await channel.ready(300)).toBe(false);
});

describe('a channel that waits for a connection', () => {
  test('and is stopped meanwhile stops waiting, and does not connect again', async () => {
    const service = scope.own(await startClusterIp([undefined]));
    const address = `tcp://127.0.0.1:${service.port}`;
    const channel = openRpcChannel({ clock: systemClock, address });
    const ready = channel.ready(60_000);
    await eventually('an attempt', () => service.connections.made === 1);
    await channel.stop();
    expect(await ready).toBe(false);
    expect(await channel.ready(300)).toBe(false);
    expect(service.connections.made).toBe(1);
  });

  test('makes one of its own, whatever became of that of another channel to the same address', async () => {
    const server = scope.own(await startRpcServer([]));
    const service = scope.own(await startClusterIp([undefined, server.port]));
    const address = `tcp://127.0.0.1:${service.port}`;
    const [first, second] = [0, 1].map(() =>
      scope.own(openRpcChannel({ clock: systemClock, address })),
    );
    const stuck = first?.ready(60_000);
    await eventually('the first attempt', () => service.connections.made === 1);
    expect(await second?.ready(60_000)).toBe(true);
    await first?.stop();
    expect(await stuck).toBe(false);
  });
});
