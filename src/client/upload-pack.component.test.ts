import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fromBinary, toBinary, create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../test/support/eventually.ts';
import { patience } from '../../test/support/steady-load.ts';
import { systemClock } from '../base/clock.ts';
import { deferred } from '../base/deferred.ts';
import { Scope } from '../base/scope.ts';
import {
  SSHUploadPackWithSidechannelRequestSchema,
  SSHUploadPackWithSidechannelResponseSchema,
  type SSHUploadPackWithSidechannelRequest,
} from '../gen/gitaly/ssh_pb.ts';
import { acceptConnection, type SidechannelStream } from '../proxy/wire/backchannel.ts';
import { encodeMessage, GrpcMessageReader } from '../proxy/wire/grpc-frame.ts';
import { statusTrailers } from '../proxy/wire/grpc-status.ts';
import { headerField, type HeaderField } from '../proxy/wire/hpack/header-field.ts';
import { Http2Session } from '../proxy/wire/http2/session.ts';
import type { Http2Stream } from '../proxy/wire/http2/stream.ts';
import { openSidechannel } from '../proxy/wire/sidechannel.ts';
import { listenTransport } from '../proxy/wire/socket-transport.ts';
import type { Transport } from '../proxy/wire/transport.ts';
import type { YamuxSession } from '../proxy/wire/yamux/session.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';
import { createGitalyClient } from './gitaly-client.ts';

let scope = new Scope();

afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

/** A fetch as the server sees it. */
class ServedFetch {
  readonly request: SSHUploadPackWithSidechannelRequest;
  readonly headers: readonly HeaderField[];
  readonly mux: YamuxSession;
  readonly #stream: Http2Stream;
  /** What the client sent on the sidechannel. */
  received = '';
  /** The client has dropped the sidechannel. */
  readonly dropped = deferred<void>();
  #hasRoom = () => {};

  constructor(
    request: SSHUploadPackWithSidechannelRequest,
    headers: readonly HeaderField[],
    mux: YamuxSession,
    stream: Http2Stream,
  ) {
    this.request = request;
    this.headers = headers;
    this.mux = mux;
    this.#stream = stream;
  }

  header(name: string): string | undefined {
    return this.headers.find((field) => field.name === name)?.value;
  }

  async openSidechannel(): Promise<SidechannelStream> {
    const id = BigInt(this.header('gitaly-sidechannel-id') ?? -1);
    const sidechannel = await openSidechannel(this.mux, id, { clock: systemClock });
    sidechannel.start({
      onData: (chunk) => {
        this.received += chunk.toString('latin1');
        sidechannel.consumed(chunk.length);
      },
      onDrain: () => this.#hasRoom(),
      onEnd() {},
      onClose: () => this.dropped.resolve(),
    });
    return sidechannel;
  }

  /** A {@link write} waits for room. */
  isStalled = false;

  /** Writes all of `bytes`, waiting for room. */
  async write(sidechannel: Transport, bytes: Buffer): Promise<void> {
    for (let start = 0; start < bytes.length;) {
      const length = Math.min(sidechannel.capacity(), bytes.length - start);
      if (length > 0) sidechannel.write(bytes.subarray(start, start + length), length);
      else {
        this.isStalled = true;
        await new Promise<void>((resolve) => (this.#hasRoom = resolve));
        this.isStalled = false;
      }
      start += length;
    }
  }

  answer(code: number = statusCodes.OK, message = ''): void {
    const ok = [headerField(':status', '200'), headerField('content-type', 'application/grpc')];
    if (code !== statusCodes.OK) {
      this.#stream.sendHeaders([...ok, ...statusTrailers({ code, message })], true);
      return;
    }
    const schema = SSHUploadPackWithSidechannelResponseSchema;
    const body = encodeMessage(toBinary(schema, create(schema)));
    this.#stream.sendHeaders(ok, false);
    this.#stream.sendData(body, 0, body.length, false, undefined);
    this.#stream.sendHeaders(statusTrailers({ code, message }), true);
  }
}

type Serve = (fetch: ServedFetch) => Promise<void> | void;

/** A server that serves fetches as told: a script for each, the last one for all that follow. */
async function startServer(...scripts: readonly Serve[]) {
  const fetches: ServedFetch[] = [];
  const connections: Transport[] = [];
  const serveRequest = (mux: YamuxSession, stream: Http2Stream, fields: readonly HeaderField[]) => {
    const reader = new GrpcMessageReader({ maxBytes: 65_536 });
    return {
      onHeaders() {},
      onAbort() {},
      onData(bytes: Buffer, start: number, end: number) {
        stream.consumed(end - start);
        const read = reader.push(bytes, start, end);
        if (read.kind !== 'messages' || read.messages[0] === undefined) return;
        const schema = SSHUploadPackWithSidechannelRequestSchema;
        const request = fromBinary(schema, read.messages[0]);
        const script = scripts[Math.min(fetches.length, scripts.length - 1)];
        const served = new ServedFetch(request, fields, mux, stream);
        fetches.push(served);
        void script?.(served);
      },
    };
  };
  const listener = scope.own(
    await listenTransport({
      endpoint: { host: '127.0.0.1', port: 0 },
      onConnection(transport) {
        connections.push(transport);
        acceptConnection(transport, {
          clock: systemClock,
          onHttp2(http2, mux) {
            if (mux === undefined) throw new Error('the client offered no backchannel');
            const events = {
              onRequest: (stream: Http2Stream, fields: readonly HeaderField[]) =>
                serveRequest(mux, stream, fields),
              onClosed() {},
            };
            new Http2Session({
              transport: http2,
              role: 'server',
              clock: systemClock,
              events,
            }).start();
          },
        });
      },
    }),
  );
  scope.onStop(() => connections.forEach((connection) => connection.destroy()));
  return { port: listener.port, fetches, connections };
}

const request = {
  virtualStorage: 'default',
  relativePath: 'group/project.git',
  glRepository: 'project-1',
  gitProtocol: 'version=2',
};

interface FetchSettings {
  readonly stdin?: Readable;
  readonly signal?: AbortSignal;
  readonly hosts?: readonly string[];
}

async function fetchFrom(port: number, settings: FetchSettings = {}) {
  const { stdin = new PassThrough(), signal, hosts = ['127.0.0.1'] } = settings;
  const client = scope.own(
    createGitalyClient({
      address: `dns:///proxies:${port}`,
      token: 't',
      lookup: () => Promise.resolve(hosts),
      ...patience,
    }),
  );
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const outputs = Promise.all([text(stdout), text(stderr)]);
  const result = await client.git.uploadPack(request, { stdin, stdout, stderr }, signal).then(
    (exitCode) => ({ exitCode }),
    (error: unknown) => ({ error: String(RpcError.from(error)) }),
  );
  stdout.end();
  stderr.end();
  const [out, err] = await outputs;
  return { ...result, out, err };
}

function packet(band: 1 | 2, payload: string | Buffer): Buffer {
  const bytes = Buffer.from(payload);
  const length = (bytes.length + 5).toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(length), Buffer.from([band]), bytes]);
}

describe('a fetch', () => {
  test('says what it wants, sends the input in chunks with an end, and takes output apart', async () => {
    const { port, fetches } = await startServer(async (fetch) => {
      const sidechannel = await fetch.openSidechannel();
      await fetch.write(sidechannel, packet(1, 'refs'));
      while (!fetch.received.endsWith('0000')) await nextTurn();
      await fetch.write(sidechannel, Buffer.concat([packet(2, 'counting'), packet(1, 'pack')]));
      sidechannel.end();
      fetch.answer();
    });
    const stdin = Readable.from([Buffer.from('0011want'), Buffer.from('done')]);
    expect(await fetchFrom(port, { stdin })).toEqual({
      exitCode: 0,
      out: 'refspack',
      err: 'counting',
    });
    expect(fetches[0]?.received).toBe('000c0011want0008done0000');
    expect(fetches[0]?.request).toMatchObject({
      repository: { storageName: 'default', relativePath: 'group/project.git' },
      gitProtocol: 'version=2',
    });
    expect(fetches[0]?.header(':path')).toBe('/gitaly.SSHService/SSHUploadPackWithSidechannel');
    expect(fetches[0]?.header(':authority')).toBe(`proxies:${port}`);
    expect(fetches[0]?.header('authorization')).toMatch(/^Bearer v2\./);
  });

  test("that git refuses ends with git's exit code and words, all of them", async () => {
    const { port } = await startServer(async (fetch) => {
      const sidechannel = await fetch.openSidechannel();
      fetch.answer(
        statusCodes.INTERNAL,
        'running upload-pack: cmd wait: exit status 128, stderr: ""',
      );
      await nextTurn();
      await fetch.write(sidechannel, packet(2, 'fatal: not our ref\n'));
      sidechannel.end();
    });
    expect(await fetchFrom(port)).toEqual({ exitCode: 128, out: '', err: 'fatal: not our ref\n' });
  });

  test('that the server refuses fails with its reason, before and after the sidechannel', async () => {
    const refuse = (fetch: ServedFetch) =>
      fetch.answer(statusCodes.NOT_FOUND, 'repository not found');
    const { port } = await startServer(refuse, async (fetch) => {
      const sidechannel = await fetch.openSidechannel();
      sidechannel.end();
      refuse(fetch);
    });
    const failure = { error: 'NOT_FOUND: repository not found', out: '', err: '' };
    expect(await fetchFrom(port)).toEqual(failure);
    expect(await fetchFrom(port)).toEqual(failure);
  });

  test('goes to another server when one refuses connections', async () => {
    const { port } = await startServer((fetch) => fetch.answer());
    for (let count = 0; count < 2; count++) {
      expect(await fetchFrom(port, { hosts: ['127.0.0.9', '127.0.0.1'] })).toMatchObject({
        exitCode: 0,
      });
    }
  });

  test('is made again while a server is UNAVAILABLE or drops it, as long as git saw nothing', async () => {
    const { port, fetches } = await startServer(
      (fetch) => fetch.answer(statusCodes.UNAVAILABLE, 'shutting down'),
      (fetch) => fetch.mux.destroy(),
      (fetch) => fetch.answer(),
    );
    expect(await fetchFrom(port)).toMatchObject({ exitCode: 0 });
    expect(fetches).toHaveLength(3);
  });

  test('is not made again once git has seen something, and fails when the connection breaks', async () => {
    const { port, fetches } = await startServer(async (fetch) => {
      const sidechannel = await fetch.openSidechannel();
      await fetch.write(sidechannel, packet(1, 'half a pa'));
      await nextTurn();
      fetch.mux.destroy();
    });
    const result = await fetchFrom(port);
    expect(result).toMatchObject({ error: expect.stringMatching(/^UNAVAILABLE/) });
    expect(fetches).toHaveLength(1);
  });

  test.each([
    ['a packet that is none', Buffer.from('zzzz'), /"zzzz" is no packet length/],
    ['half a packet', Buffer.from('00ff'), /ends inside a packet/],
  ])('fails when the server sends %s', async (_what, bytes, reason) => {
    const { port } = await startServer(async (fetch) => {
      const sidechannel = await fetch.openSidechannel();
      await fetch.write(sidechannel, bytes);
      sidechannel.end();
    });
    expect(await fetchFrom(port)).toMatchObject({ error: expect.stringMatching(reason) });
  });

  test('is cancelled by its signal, and the server learns of it', async () => {
    const aborter = new AbortController();
    const { port, fetches } = await startServer(async (fetch) => {
      await fetch.openSidechannel();
      aborter.abort();
    });
    expect(await fetchFrom(port, { signal: aborter.signal })).toMatchObject({
      error: 'CANCELLED: cancelled by the caller',
    });
    await fetches[0]?.dropped.promise;
  });

  describe('of which git reads nothing', () => {
    /** A fetch from a server that sends without end. */
    async function startStalled() {
      const aborter = new AbortController();
      let sent = 0;
      const { port, fetches } = await startServer(async (fetch) => {
        const sidechannel = await fetch.openSidechannel();
        const piece = packet(1, Buffer.alloc(60_000));
        for (;;) {
          await fetch.write(sidechannel, piece);
          sent += piece.length;
        }
      });
      const stdout = new PassThrough();
      const client = scope.own(
        createGitalyClient({ address: `tcp://127.0.0.1:${port}`, token: 't', ...patience }),
      );
      const streams = { stdin: new PassThrough(), stdout, stderr: new PassThrough() };
      const fetching = client.git.uploadPack(request, streams, aborter.signal);
      fetching.catch(() => {});
      await eventually('the server has to wait', () => fetches[0]?.isStalled);
      return { fetching, aborter, stdout, served: fetches[0], sent: () => sent };
    }

    test('holds the server back, and ends when git is gone', async () => {
      const { fetching, stdout, served, sent } = await startStalled();
      for (let turn = 0; turn < 100; turn++) await nextTurn();
      expect(served?.isStalled).toBe(true);
      expect(sent()).toBeLessThan(4 * 1024 * 1024);
      stdout.destroy();
      await expect(fetching).rejects.toThrow('git closed its end');
      await served?.dropped.promise;
    });

    test('is cancelled without waiting for git', async () => {
      const { fetching, aborter, served } = await startStalled();
      aborter.abort();
      await expect(fetching).rejects.toMatchObject({ code: statusCodes.CANCELLED });
      await served?.dropped.promise;
    });
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
