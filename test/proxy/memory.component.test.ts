import { readFile } from 'node:fs/promises';
import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { clientPreface, frameFlags, frameTypes } from '../../src/proxy/wire/http2/frames.ts';
import { encodeFrame } from '../../src/proxy/wire/http2/testing.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { repositoryPath } from '../benchmark/relay/repository-path.ts';
import { describeWithGo } from '../support/describe-with-go.ts';
import { eventually } from '../support/eventually.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { interopHeaders, interopRequest } from '../support/interop-client.ts';
import { interopStorage, interopToken, startInteropServer } from '../support/interop-proxy.ts';
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

/** How long the calls are given to get stuck. */
const attemptMs = 15_000;
/** The setting for windows of 1 GiB, and the update for one. */
const largeWindow = Buffer.from([0, 4, 0x3f, 0xff, 0xff, 0xff]);

/** What the proxy admits. */
const maxConnections = 10_000;
/** For everything else that this process and the proxy have open. */
const otherFiles = 500;
const maxKiBPerConnection = 20;

const unavailable = String(statusCodes.UNAVAILABLE);

/** The repository that a proxy with a store of its own begins with. */
const request = interopRequest(repositoryPath(0));
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
        store: { kind: 'memory', repositories: 1 },
        clientToken: interopToken,
        gitalyToken: 'token of the storages',
      }),
    );
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
    stream.end(request);
    return stream;
  }

  /** Makes a call that ends well, and returns its answer. */
  async function answer(on: ClientHttp2Session, behaviour: string): Promise<string> {
    // On a machine that is far too busy, the storage may seem to hang for a moment.
    return eventually(`an answer to ${behaviour}`, () => attempt(on, behaviour), limitMs);
  }

  /** Undefined if the storage cannot be reached now. */
  async function attempt(on: ClientHttp2Session, behaviour: string): Promise<string | undefined> {
    const stream = call(on, behaviour);
    const pieces: Buffer[] = [];
    let status: string | undefined;
    const read = (fields: IncomingHttpHeaders) => {
      status = fields['grpc-status']?.toString() ?? status;
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    await new Promise((resolve) => {
      stream.once('close', resolve);
    });
    if (status === unavailable) return undefined;
    if (status !== '0') throw new Error(`${behaviour} ended with status ${String(status)}`);
    return Buffer.concat(pieces).toString('latin1', 5);
  }

  /**
   * Lets `begin` make the calls, and waits until the storage has sent for them what it can. Begins
   * anew if that takes long: where the machine is far too busy, the storage may be given up meanwhile,
   * and the calls with it.
   */
  async function untilStalled(begin: () => { destroy(): unknown }): Promise<void> {
    const watching = session();
    for (;;) {
      const wanted = Number(await answer(watching, 'tell sent')) + stalledCalls * takenBytes;
      const begun = begin();
      const isStuck = async () => Number(await answer(watching, 'tell sent')) >= wanted;
      if (await isWithin(attemptMs, isStuck)) return;
      begun.destroy();
    }
  }

  async function others(): Promise<void> {
    const other = session();
    for (let index = 0; index < 50; index++) await answer(other, 'echo');
  }

  test(
    'is bounded while 1000 calls are under way and 100 answers are not read',
    async () => {
      let busy = session();
      await untilStalled(() => {
        busy = session();
        // Else the answers that are not read would take all of the connection's window.
        busy.once('remoteSettings', () => busy.setLocalWindowSize(64 * MiB));
        for (let index = 0; index < openCalls - stalledCalls; index++) call(busy, 'hang', 'many');
        for (let index = 0; index < stalledCalls; index++) call(busy, 'produce', `${answerBytes}`);
        return busy;
      });
      for (let index = 0; index < 50; index++) await answer(busy, 'echo');
      await others();
      expect(await proxy.peakMiB()).toBeLessThan(maxPeakMiB);
    },
    2 * limitMs,
  );

  test(
    'is bounded while a client asks for 100 answers and reads nothing at all',
    async () => {
      await untilStalled(() => {
        const deaf = socket().pause();
        deaf.write(clientPreface);
        deaf.write(encodeFrame(frameTypes.settings, 0, 0, largeWindow));
        deaf.write(encodeFrame(frameTypes.windowUpdate, 0, 0, largeWindow.subarray(2)));
        const blocks = new HeaderBlockWriter();
        for (let index = 0; index < stalledCalls; index++) {
          const head = blocks.encode(interopHeaders('produce', String(answerBytes)));
          const id = 2 * index + 1;
          deaf.write(encodeFrame(frameTypes.headers, frameFlags.endHeaders, id, head));
          deaf.write(encodeFrame(frameTypes.data, frameFlags.endStream, id, request));
        }
        return deaf;
      });
      await others();
      expect(await proxy.peakMiB()).toBeLessThan(maxPeakMiB);
    },
    2 * limitMs,
  );

  test(
    'is bounded while nearly all connections that it admits are idle',
    async () => {
      const used = session();
      const count = Math.min(maxConnections, await maxOpenFiles()) - otherFiles;
      const hello = Buffer.concat([
        clientPreface,
        encodeFrame(frameTypes.settings, 0, 0, Buffer.alloc(0)),
      ]);
      /** Opens so many more, and resolves with the memory that is in use then. */
      const opened = async (more: number): Promise<number> => {
        for (let begun = 0; begun < more; begun += 250) {
          const batch = Array.from({ length: Math.min(250, more - begun) }, () => greeted(hello));
          await Promise.all(batch);
        }
        await answer(used, 'echo');
        await others();
        return proxy.residentMiB();
      };
      // What the first ones take is also what the process grows by when it is used at all.
      const first = Math.round(count / 4);
      const beforeMiB = await opened(first);
      const grownKiB = ((await opened(count - first)) - beforeMiB) * 1024;
      expect(grownKiB / (count - first)).toBeLessThan(maxKiBPerConnection);
    },
    2 * limitMs,
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

async function isWithin(withinMs: number, condition: () => Promise<boolean>): Promise<boolean> {
  return eventually('it is so', condition, withinMs).catch(() => false);
}
