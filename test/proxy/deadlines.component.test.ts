import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { systemClock, type Clock, type Timer } from '../../src/base/clock.ts';
import { deferred } from '../../src/base/deferred.ts';
import { Scope } from '../../src/base/scope.ts';
import { RepositoryService } from '../../src/gen/gitaly/repository_pb.ts';
import {
  RefTransaction,
  VoteTransactionRequest_Phase as Phase,
} from '../../src/gen/gitaly/transaction_pb.ts';
import { timeUpStatus, type ServerCall } from '../../src/proxy/relay/server-call.ts';
import { callUnary } from '../../src/proxy/upstream/unary-call.ts';
import { dialBackchannel } from '../../src/proxy/wire/backchannel.ts';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import { readStatus, type GrpcStatus } from '../../src/proxy/wire/grpc-status.ts';
import { headerField } from '../../src/proxy/wire/hpack/header-field.ts';
import { Http2Session } from '../../src/proxy/wire/http2/session.ts';
import { answerSidechannel, openSidechannel } from '../../src/proxy/wire/sidechannel.ts';
import { connectTransport } from '../../src/proxy/wire/socket-transport.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { authorizationHeader } from '../../src/rpc/token.ts';
import { eventually } from '../support/eventually.ts';
import { RecordingLogger } from '../support/recording-logger.ts';
import { requestAbout } from '../support/requests.ts';
import { ScriptedCluster } from '../support/scripted-cluster.ts';
import { ignoreRequest, type ScriptedStorage } from '../support/scripted-storage.ts';

jest.setTimeout(180_000);

/** For whatever has to end by itself, on a machine however busy. */
const limitMs = 60_000;
const callsAtOnce = 10;
const repository = 'group/project.git';
const fetch = '/gitaly.SSHService/SSHUploadPackWithSidechannel';

/** Longer timers are shared by many calls, and stay until they are due: see {@link CoarseTimers}. */
const longMs = 20_000;

/** The machine's clock, and how many of its timers are pending that are not long. */
class CountingClock implements Clock {
  pending = 0;
  readonly monotonicMs = systemClock.monotonicMs;
  readonly wallMs = systemClock.wallMs;

  after(delayMs: number, callback: () => void): Timer {
    if (delayMs > longMs) return systemClock.after(delayMs, callback);
    let isPending = true;
    const settle = () => {
      if (isPending) this.pending -= 1;
      isPending = false;
    };
    this.pending += 1;
    const timer = systemClock.after(delayMs, () => {
      settle();
      callback();
    });
    return {
      cancel() {
        settle();
        timer.cancel();
      },
    };
  }
}

/** What a storage does with a call beside waiting for its end. */
type Work = (call: ServerCall, storage: ScriptedStorage) => void;

const wait: Work = () => {};

/** Begins an answer of many messages. */
const beginAnswer: Work = (call) => void call.sendMessage(encodeMessage(Buffer.from('some of it')));

/** The first storage votes. The others do not, so that it waits for the answer. */
const vote: Work = (call, storage) => {
  if (storage.name !== 'gitaly-0' || call.mux === undefined) return;
  const fields = storage.calls.at(-1)?.fields ?? [];
  const header = fields.find(({ name }) => name === 'gitaly-reference-transaction');
  const transaction = JSON.parse(Buffer.from(header?.value ?? '', 'base64').toString()) as {
    readonly id: number;
    readonly node: string;
  };
  const back = startClient(call.mux.open());
  const request = {
    transactionId: BigInt(transaction.id),
    node: transaction.node,
    phase: Phase.PREPARED_PHASE,
    referenceUpdatesHash: Buffer.alloc(20, 1),
  };
  callUnary(RefTransaction.method.voteTransaction, request, {
    calls: back,
    authority: 'proxy',
    authorization: undefined,
    clock: systemClock,
    limitMs,
  })
    .catch(() => {})
    .finally(() => back.destroy());
};

/** Opens the sidechannel, and says nothing on it. */
const converse: Work = (call) => {
  const { mux, head } = call;
  if (mux === undefined || head.sidechannelId === undefined) return;
  openSidechannel(mux, head.sidechannelId, { clock: systemClock }).then(
    (stream) => stream.start({ onData() {}, onDrain() {}, onEnd() {}, onClose() {} }),
    () => {},
  );
};

const kinds: readonly (readonly [name: string, path: string, work: Work])[] = [
  ['a read', '/gitaly.RefService/FindDefaultBranchName', wait],
  ['a read whose answer has begun', '/gitaly.CommitService/ListCommits', beginAnswer],
  ['a write', '/gitaly.RepositoryService/WriteRef', wait],
  ['a write whose votes wait for each other', '/gitaly.RepositoryService/WriteRef', vote],
  ['maintenance on all replicas', '/gitaly.RepositoryService/OptimizeRepository', wait],
  ['a fetch with a sidechannel', fetch, converse],
  ['a call that the proxy answers itself', '/gitaly.ServerService/DiskStatistics', wait],
];

describe('the end of the time of', () => {
  const clock = new CountingClock();
  const running = { begun: 0, ended: 0 };
  let cluster: ScriptedCluster;
  beforeAll(async () => {
    cluster = await ScriptedCluster.start({ clock });
    await cluster.addRepository(repository);
  });
  afterAll(() => cluster.stop());

  /** What the proxy asks on its own account is answered. */
  function letStorages(path: string, work: Work): void {
    for (const storage of cluster.storages) {
      storage.answer = (call) => {
        if (call.head.path !== path) {
          ignoreRequest(call);
          call.reply(encodeMessage(Buffer.alloc(0)));
          return;
        }
        running.begun += 1;
        call.attach({
          onData: (_bytes, start, end) => call.credit.consumed(end - start),
          onAbort: () => {
            running.ended += 1;
          },
          onCut() {},
        });
        work(call, storage);
      };
    }
  }

  async function callOf(path: string, limit: string): Promise<Partial<GrpcStatus>> {
    if (path === fetch) return fetchWithin(cluster.grpcPort, limit);
    const request = requestAbout(repository);
    const headers = { 'grpc-timeout': limit };
    const { code, message } = await cluster.call(path, request, { headers });
    return code === undefined ? {} : { code, message };
  }

  test.each(kinds)('%s ends it everywhere, and leaves nothing', async (_, path, work) => {
    letStorages(path, work);
    const { begun } = running;
    const before = clock.pending;
    // More and more, until it is enough for the calls to reach a storage, however busy the machine is.
    for (let seconds = 1; running.begun === begun; seconds *= 2) {
      const calls = Array.from({ length: callsAtOnce }, () => callOf(path, `${seconds}S`));
      const statuses = await Promise.all(calls);
      expect(statuses).toEqual(statuses.map(() => timeUpStatus));
    }
    await eventually('the storages’ calls end', () => running.ended === running.begun, limitMs);
    // Those of health checks come and go; of the calls there would be one each at least.
    await eventually('no timer is left', () => clock.pending < before + callsAtOnce, limitMs);
  });
});

describe('a write that is broken off before any vote', () => {
  const scope = new Scope();
  afterEach(() => scope.stop());

  test('leaves no replica behind, though some storages have ended it and others not', async () => {
    const log = new RecordingLogger();
    const cluster = scope.own(await ScriptedCluster.start({ logger: log }));
    await cluster.addRepository(repository);
    const { method } = RepositoryService;
    const reached = cluster.storages.map((storage) => {
      const isReached = deferred<void>();
      storage.answer = (call) => {
        ignoreRequest(call);
        if (!call.head.path.endsWith(`/${method.writeRef.name}`)) {
          call.reply(encodeMessage(Buffer.alloc(0)));
          return;
        }
        isReached.resolve();
        if (storage.name !== 'gitaly-2') call.fail(timeUpStatus);
      };
      return isReached.promise;
    });
    const aborter = new AbortController();
    const client = cluster.rpc(RepositoryService);
    const request = { repository: { storageName: 'default', relativePath: repository } };
    const writing = client.writeRef(request, {
      signal: aborter.signal,
      deadlineMs: Number.POSITIVE_INFINITY,
    });
    await Promise.all(reached);
    // Every storage answers this after that: when it is done the proxy knows what they have ended.
    await client.optimizeRepository(request, { deadlineMs: limitMs });
    aborter.abort();
    await expect(writing).rejects.toMatchObject({ code: statusCodes.CANCELLED });
    const settled = await eventually('the write is settled', () =>
      log.entries.find(({ message }) => /were settled|fell behind/.test(message)),
    );
    expect(settled.fields).toMatchObject({ equal: cluster.storages.map(({ name }) => name) });
  });
});

/** An HTTP/2 client on one end of something. */
function startClient(transport: ConstructorParameters<typeof Http2Session>[0]['transport']) {
  const session = new Http2Session({
    transport,
    role: 'client',
    clock: systemClock,
    events: {
      onRequest: () => {
        throw new Error('a server makes no requests');
      },
      onClosed() {},
    },
  });
  session.start();
  return session;
}

/** Makes a call that offers a sidechannel. Resolves with its status when the sidechannel has ended too. */
async function fetchWithin(port: number, limit: string): Promise<Partial<GrpcStatus>> {
  const address = { kind: 'tcp', host: '127.0.0.1', port, tls: false } as const;
  const transport = await connectTransport({ address, timeoutMs: limitMs, clock: systemClock });
  let isOpen = false;
  const { http2, mux } = dialBackchannel({
    transport,
    clock: systemClock,
    onSidechannel(_id, stream) {
      isOpen = true;
      answerSidechannel(stream);
      stream.start({
        onData() {},
        onDrain() {},
        onEnd() {},
        onClose() {
          isOpen = false;
        },
      });
    },
    onHttp2: (stream) => stream.destroy(),
    onClosed() {},
  });
  const session = startClient(http2);
  const status = await new Promise<Partial<GrpcStatus>>((resolve) => {
    const authorization = authorizationHeader(ScriptedCluster.clientToken, Date.now());
    const stream = session.request(
      Object.entries({
        ':method': 'POST',
        ':scheme': 'http',
        ':path': fetch,
        ':authority': 'proxy',
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': limit,
        'gitaly-sidechannel-id': '1',
        authorization,
      }).map(([name, value]) => headerField(name, value)),
      false,
      {
        onHeaders: (fields, endStream) => {
          if (endStream) resolve(readStatus(fields));
        },
        onData() {},
        onAbort: () => resolve({}),
      },
    );
    const message = encodeMessage(requestAbout(repository));
    stream?.sendData(message, 0, message.length, true, undefined);
  });
  await eventually('the sidechannel ends', () => !isOpen, limitMs);
  mux.destroy();
  return status;
}
