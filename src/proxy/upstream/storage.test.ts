import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { acceptConnection } from '../wire/backchannel.ts';
import { encodeMessage } from '../wire/grpc-frame.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import { Http2Session } from '../wire/http2/session.ts';
import type { Http2Stream } from '../wire/http2/stream.ts';
import { memoryTransportPair } from '../wire/memory-transport.ts';
import type { Transport } from '../wire/transport.ts';
import { Storage } from './storage.ts';
import type { CheckVolume, VolumeVerdict } from './storage-volume.ts';

interface StorageOptions {
  /** Calls on a connection. Default 2000. */
  readonly maxConcurrentStreams?: number;
  /** Whether it answers at least its health checks. Default false. */
  readonly isHealthy?: boolean;
  readonly checkVolume?: CheckVolume;
}

/** A storage that takes every call and answers none; it can send something all the same. */
function startMuteStorage(options: StorageOptions = {}) {
  const { maxConcurrentStreams = 2000, isHealthy = false, checkVolume } = options;
  const clock = new ManualClock();
  const servers: Http2Session[] = [];
  const network = { isAway: false };
  /** Of the calls of its clients that run, in the order in which they came. */
  const running = new Map<string, Http2Stream>();
  const serve = (transport: Transport) => {
    const server = new Http2Session({
      transport,
      role: 'server',
      clock,
      limits: { maxConcurrentStreams },
      events: {
        onRequest(stream, fields) {
          const name = fields.find((field) => field.name === 'call')?.value;
          if (name !== undefined) running.set(name, stream);
          else if (isHealthy) answer(stream, fields);
          const forget = () => running.delete(name ?? '');
          return { onHeaders() {}, onData() {}, onAbort: forget };
        },
        onClosed() {},
      },
    });
    servers.push(server);
    server.start();
  };
  const storage = new Storage({
    name: 'gitaly-0',
    address: 'memory',
    async connect() {
      const [near, far] = memoryTransportPair();
      acceptConnection(far, { clock, onHttp2: serve });
      return stalling(near, () => network.isAway);
    },
    tokens: () => [],
    backchannel: {
      onRequest: () => {
        throw new Error('nothing votes here');
      },
    },
    onSidechannel() {},
    clock,
    random: { next: () => 0.5 },
    logger: silentLogger,
  });
  storage.start(checkVolume);
  return {
    storage,
    servers,
    running,
    clock,
    /** Whether nothing leaves for the storage. */
    network,
    /** The latest connection sends something. */
    send: () =>
      void servers
        .at(-1)
        ?.ping(1000)
        .catch(() => {}),
    /** In small steps, since bytes take turns of the event loop to arrive. */
    async advance(byMs: number) {
      for (let step = 0; step < byMs / 20; step++) await clock.advance(20);
    },
    /** Moves on until so many calls run, for two seconds at most. */
    async untilRunning(count: number) {
      for (let step = 0; step < 100 && running.size !== count; step++) await clock.advance(20);
      expect(running.size).toBe(count);
    },
  };
}

/** Takes nothing while `isStalled` says so. */
function stalling(inner: Transport, isStalled: () => boolean): Transport {
  return {
    peer: inner.peer,
    start: (events) => inner.start(events),
    capacity: () => (isStalled() ? 0 : inner.capacity()),
    write: (bytes, length) => inner.write(bytes, length),
    consumed: (length) => inner.consumed(length),
    end: () => inner.end(),
    destroy: (error) => inner.destroy(error),
  };
}

/** Says that it serves, and accepts any token. */
function answer(stream: Http2Stream, fields: readonly HeaderField[]): void {
  const isCheck = fields.some(({ value }) => value === '/grpc.health.v1.Health/Check');
  const message = encodeMessage(Buffer.from(isCheck ? [8, 1] : []));
  stream.sendHeaders([headerField(':status', '200')], false);
  stream.sendData(message, 0, message.length, false, undefined);
  stream.sendHeaders([headerField('grpc-status', '0')], true);
}

/** Makes calls, and keeps how those ended that did. */
function makeCalls(storage: Storage, count: number) {
  const ends: string[] = [];
  const streams = Array.from({ length: count }, (_, index) =>
    storage.calls.request([...requestFields, headerField('call', String(index))], false, {
      onHeaders() {},
      onData() {},
      onAbort: ({ kind }) => ends.push(kind),
    }),
  );
  return { ends, streams };
}

const requestFields = [
  headerField(':method', 'POST'),
  headerField(':scheme', 'http'),
  headerField(':path', '/gitaly.RefService/RefExists'),
  headerField(':authority', 'gitaly'),
];

describe('a storage that does not answer its health checks', () => {
  test('is given up after 2 s of silence, and its connection is made again', async () => {
    const { advance, storage, servers } = startMuteStorage();
    await advance(1900);
    expect([storage.health.kind, servers.length]).toEqual(['unknown', 1]);
    await advance(1000);
    expect([storage.health.kind, servers.length]).toEqual(['unhealthy', 2]);
    await storage.stop();
  });

  test('is not given up as long as something arrives on its connection', async () => {
    const { advance, storage, send, servers } = startMuteStorage();
    for (let second = 0; second < 8; second++) {
      await advance(1000);
      send();
    }
    expect([storage.health.kind, servers.length]).toEqual(['unknown', 1]);
    await advance(4000);
    expect(servers).toHaveLength(2);
    await storage.stop();
  });

  test('is given up with all its connections, and no call waits for it any longer', async () => {
    const { advance, storage, untilRunning } = startMuteStorage({ maxConcurrentStreams: 2 });
    await advance(100);
    const { ends } = makeCalls(storage, 20);
    // Health check and trial of the token have both streams of the first of the eight connections.
    await untilRunning(14);
    expect(storage.calls.waiting).toBe(6);
    await advance(3000);
    expect(ends.filter((end) => end === 'connectionLost')).toHaveLength(14);
    expect(ends.filter((end) => end === 'refused')).toHaveLength(6);
    expect(storage.calls.waiting).toBe(0);
    await storage.stop();
  });
});

describe('a storage that takes few calls on a connection', () => {
  const options = { maxConcurrentStreams: 3, isHealthy: true };

  test('gets further connections, which are closed when nothing runs there', async () => {
    const { advance, storage, servers, untilRunning } = startMuteStorage(options);
    await advance(100);
    const { streams } = makeCalls(storage, 10);
    await untilRunning(10);
    expect(servers.map(({ activeStreams }) => activeStreams)).toEqual([2, 3, 3, 2]);
    for (const stream of streams) stream?.reset(8);
    await advance(31_000);
    const states = servers.map(({ state }) => state);
    expect(states).toEqual(['open', 'closed', 'closed', 'closed']);
    expect(storage.health.kind).toBe('healthy');
    await storage.stop();
  });

  test('is healthy with as many calls as it takes, however long they last', async () => {
    const { advance, storage, untilRunning } = startMuteStorage(options);
    await advance(100);
    const { ends } = makeCalls(storage, 30);
    await untilRunning(23);
    await advance(12_000);
    expect(storage.health.kind).toBe('healthy');
    // The rest have waited for ten seconds.
    expect(ends).toEqual(Array.from({ length: 7 }, () => 'refused'));
    await storage.stop();
  });

  test('may end one of its connections: what runs there goes on, what waits gets another', async () => {
    const { advance, storage, servers, untilRunning } = startMuteStorage(options);
    await advance(100);
    const { ends, streams } = makeCalls(storage, 26);
    await untilRunning(23);
    servers[1]?.goAway();
    await untilRunning(26);
    expect([servers.length, servers[1]?.activeStreams, ends]).toEqual([9, 3, []]);
    for (const stream of streams) stream?.reset(8);
    await untilRunning(0);
    expect(servers[1]?.state).toBe('closed');
    await storage.stop();
  });
});

describe('a storage that has to have got what was sent', () => {
  const scene = async () => {
    const started = startMuteStorage({ maxConcurrentStreams: 3, isHealthy: true });
    await started.advance(100);
    // Two of them on a further connection.
    const { ends } = makeCalls(started.storage, 4);
    await started.untilRunning(4);
    return { ...started, ends };
  };

  test('keeps its connections if it shows that in time', async () => {
    const { storage, ends, advance } = await scene();
    storage.confirmArrival(300);
    await advance(1000);
    expect(ends).toEqual([]);
    await storage.stop();
  });

  test('loses all of them if it does not', async () => {
    const { storage, ends, advance, network } = await scene();
    network.isAway = true;
    storage.confirmArrival(300);
    await advance(280);
    expect(ends).toEqual([]);
    await advance(40);
    expect(ends).toEqual(Array.from({ length: 4 }, () => 'connectionLost'));
    await storage.stop();
  });

  test('loses them at once if there is no time', async () => {
    const { storage, ends, advance } = await scene();
    storage.confirmArrival(0);
    await advance(20);
    expect(ends).toEqual(Array.from({ length: 4 }, () => 'connectionLost'));
    await storage.stop();
  });
});

describe('a storage whose volume is compared', () => {
  const wrong: VolumeVerdict = { kind: 'wrong', reason: 'it has another volume' };

  /** Whether a call goes out that is made now. */
  const takesCalls = async (scene: ReturnType<typeof startMuteStorage>) => {
    const before = scene.running.size;
    const { streams } = makeCalls(scene.storage, 1);
    const isSent = streams[0] !== undefined;
    await scene.advance(40);
    expect(scene.running.size > before).toBe(isSent);
    streams[0]?.reset(8);
    await scene.advance(40);
    return isSent;
  };

  test('gets no call before it has passed on that connection, though it is connected', async () => {
    let verdict: VolumeVerdict = wrong;
    const checkVolume = async () => verdict;
    const scene = startMuteStorage({ isHealthy: true, checkVolume });
    const { storage, advance, servers } = scene;
    await advance(1000);
    expect(storage.calls.isConnected).toBe(true);
    expect(storage.health).toMatchObject({ kind: 'unhealthy', reason: wrong.reason });
    expect(await takesCalls(scene)).toBe(false);
    await expect(storage.control.checksum('a.git')).rejects.toThrow('UNAVAILABLE');

    verdict = { kind: 'right', isCertain: true };
    await advance(1500);
    expect(storage.health.kind).toBe('healthy');
    expect(await takesCalls(scene)).toBe(true);

    verdict = wrong;
    await advance(1000);
    expect(storage.health.kind).toBe('healthy');
    servers.at(-1)?.destroy(new Error('it was restarted'));
    await advance(500);
    expect(storage.calls.isConnected).toBe(true);
    expect(await takesCalls(scene)).toBe(false);
    await storage.stop();
  });

  test('is compared again and again until that was done with the store', async () => {
    let verdict: VolumeVerdict = { kind: 'right', isCertain: false };
    const scene = startMuteStorage({ isHealthy: true, checkVolume: async () => verdict });
    await scene.advance(1000);
    expect(await takesCalls(scene)).toBe(true);
    verdict = wrong;
    await scene.advance(600);
    expect(await takesCalls(scene)).toBe(false);
    await scene.storage.stop();
  });
});
