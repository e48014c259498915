import { readFile } from 'node:fs/promises';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { connect as connectStore } from '../../src/proxy/store/testing.ts';
import { clientPreface, frameFlags, frameTypes } from '../../src/proxy/wire/http2/frames.ts';
import { encodeFrame } from '../../src/proxy/wire/http2/testing.ts';
import { describeWithGo } from '../support/describe-with-go.ts';
import { eventually } from '../support/eventually.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { interopHeaders, interopRequest } from '../support/interop-client.ts';
import {
  createInteropRepository,
  interopStorage,
  interopToken,
  startInteropServer,
} from '../support/interop-proxy.ts';
import { useDatabase } from '../support/postgres.ts';
import { ProxyProcess } from '../support/proxy-process.ts';
import { HeaderBlockWriter } from '../support/raw-connection.ts';

const limitMs = 120_000;
const MiB = 1024 * 1024;

/** What the proxy may need with 1000 calls under way, 100 of which nobody reads the answer of. */
const maxPeakMiB = 200;
const openCalls = 1000;
const stalledCalls = 100;
const answerBytes = 8 * MiB;
/** At least so much of each answer is taken from the storage: the window that a stream begins with. */
const takenBytes = 65_535;

/** What the proxy admits. */
const maxConnections = 10_000;
/** For everything else that this process and the proxy have open. */
const otherFiles = 500;
const maxKiBPerConnection = 20;

const database = useDatabase();
const scope = new Scope();

describeWithGo('the memory of the proxy (skipped without Go)', () => {
  let proxy: ProxyProcess;
  const open: { destroy(): unknown }[] = [];

  beforeAll(async () => {
    const server = scope.own(await startInteropServer(await goProgram('interop')));
    const storages = [{ name: interopStorage, address: `tcp://${server.firstLine}` }];
    const policy = { replicationFactor: 1, minInSyncReplicas: 1 };
    proxy = scope.own(
      await ProxyProcess.start({
        virtualStorages: [{ name: 'default', ...policy, storages }],
        store: database.coordinates,
        clientToken: interopToken,
        gitalyToken: 'token of the storages',
      }),
    );
    const store = await connectStore(database.coordinates);
    await createInteropRepository(store);
    await store.stop();
  }, goProgramLimitMs + limitMs);

  afterEach(() => {
    for (const connection of open.splice(0)) connection.destroy();
  });
  afterAll(() => scope.stop());

  function session(): ClientHttp2Session {
    const made = connectHttp2(`http://127.0.0.1:${proxy.grpcPort}`).setMaxListeners(0);
    made.on('error', () => {});
    open.push(made);
    return made;
  }

  function socket(): Socket {
    const made = connect({ host: '127.0.0.1', port: proxy.grpcPort });
    made.on('error', () => {});
    open.push(made);
    return made;
  }

  /** Begins a call; what it answers is not read before somebody listens. */
  function call(on: ClientHttp2Session, behaviour: string, argument?: string) {
    const stream = on.request(interopHeaders(behaviour, argument));
    stream.on('error', () => {});
    stream.end(interopRequest());
    return stream;
  }

  /** Makes a call and returns its answer. Rejects if it fails. */
  async function answer(on: ClientHttp2Session, behaviour: string): Promise<string> {
    const stream = call(on, behaviour);
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    const status = await new Promise((resolve) => {
      stream.on('trailers', (trailers) => resolve(trailers['grpc-status']));
      stream.on('close', () => resolve('none'));
    });
    if (status !== '0') throw new Error(`${behaviour} ended with status ${String(status)}`);
    return Buffer.concat(pieces).toString('latin1', 5);
  }

  /** Waits until the storage has sent so much for the stalled calls since `before`. */
  async function untilStalled(on: ClientHttp2Session, before: number): Promise<void> {
    const wanted = before + stalledCalls * takenBytes;
    await eventually('all answers are stuck', async () => sent(on, wanted), limitMs);
  }

  const sent = async (on: ClientHttp2Session, wanted: number) =>
    Number(await answer(on, 'tell sent')) >= wanted;

  async function others(): Promise<void> {
    const other = session();
    for (let index = 0; index < 50; index++) await answer(other, 'echo');
  }

  test(
    'is bounded while 1000 calls are under way and 100 answers are not read',
    async () => {
      const busy = session();
      // Else the answers that are not read would take all of the connection's window.
      await new Promise((resolve) => {
        busy.once('remoteSettings', resolve);
      });
      busy.setLocalWindowSize(64 * MiB);
      const before = Number(await answer(busy, 'tell sent'));
      for (let index = 0; index < openCalls - stalledCalls; index++)
        call(busy, 'hang', 'one of many');
      for (let index = 0; index < stalledCalls; index++) call(busy, 'produce', String(answerBytes));
      await untilStalled(busy, before);
      for (let index = 0; index < 50; index++) await answer(busy, 'echo');
      await others();
      expect(await proxy.peakMiB()).toBeLessThan(maxPeakMiB);
    },
    limitMs,
  );

  test(
    'is bounded while a client asks for 100 answers and reads nothing at all',
    async () => {
      const watching = session();
      const before = Number(await answer(watching, 'tell sent'));
      const blocks = new HeaderBlockWriter();
      const requests = Array.from({ length: stalledCalls }, (_, index) => {
        const head = blocks.encode(interopHeaders('produce', String(answerBytes)));
        const id = 2 * index + 1;
        return Buffer.concat([
          encodeFrame(frameTypes.headers, frameFlags.endHeaders, id, head),
          encodeFrame(frameTypes.data, frameFlags.endStream, id, interopRequest()),
        ]);
      });
      const largeWindow = Buffer.from([0, 4, 0x3f, 0xff, 0xff, 0xff]);
      const deaf = socket().pause();
      deaf.write(clientPreface);
      deaf.write(encodeFrame(frameTypes.settings, 0, 0, largeWindow));
      deaf.write(encodeFrame(frameTypes.windowUpdate, 0, 0, largeWindow.subarray(2)));
      for (const request of requests) deaf.write(request);
      await untilStalled(watching, before);
      await others();
      expect(await proxy.peakMiB()).toBeLessThan(maxPeakMiB);
    },
    limitMs,
  );

  test(
    'is bounded while nearly all connections that it admits are idle',
    async () => {
      const used = session();
      await answer(used, 'echo');
      const beforeMiB = await proxy.residentMiB();
      const count = Math.min(maxConnections, await maxOpenFiles()) - otherFiles;
      const hello = Buffer.concat([
        clientPreface,
        encodeFrame(frameTypes.settings, 0, 0, Buffer.alloc(0)),
      ]);
      for (let begun = 0; begun < count; begun += 250) {
        const batch = Array.from({ length: Math.min(250, count - begun) }, () => greeted(hello));
        await Promise.all(batch);
      }
      await answer(used, 'echo');
      await others();
      const grownKiB = ((await proxy.residentMiB()) - beforeMiB) * 1024;
      expect(grownKiB / count).toBeLessThan(maxKiBPerConnection);
    },
    limitMs,
  );

  /** Opens a connection on which nothing happens after the handshake. Resolves after that. */
  function greeted(hello: Buffer): Promise<void> {
    const made = socket();
    made.write(hello);
    return new Promise((resolve, reject) => {
      made.once('data', () => resolve());
      made.once('close', () => reject(new Error('the connection was refused')));
    });
  }
});

/** How many files a process of this user may have open. Node.js raises its limit to that. */
async function maxOpenFiles(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === undefined || hard === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hard);
}
