import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock, TimeoutError } from '../../base/clock.ts';
import { deferred } from '../../base/deferred.ts';
import { Scope } from '../../base/scope.ts';
import type { Address } from '../../rpc/address.ts';
import type { Endpoint } from './bind-server.ts';
import {
  connectTransport,
  createReadBuffer,
  listenTransport,
  type ServerTls,
} from './socket-transport.ts';
import type { Transport, TransportEvents } from './transport.ts';

const folder = mkdtempSync(join(tmpdir(), 'socket-transport-'));
let tls: ServerTls = { key: '', cert: '' };
let scope = new Scope();

beforeAll(() => {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=test', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const files = ['-days', '2', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', ...curve, ...names, ...files], { stdio: 'ignore' });
  tls = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
});

afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

afterAll(() => rmSync(folder, { recursive: true }));

/** One end of a connection, and what it reported. */
class End implements TransportEvents {
  readonly transport: Transport;
  readonly ended = deferred<void>();
  readonly closed = deferred<Error | undefined>();
  received = 0;
  chunks: Buffer[] = [];
  /** Consumes at once unless a test sets this to false. */
  isEager = true;
  #toSend: Buffer = Buffer.alloc(0);

  constructor(transport: Transport) {
    this.transport = transport;
    scope.onStop(() => transport.destroy());
  }

  start(): this {
    this.transport.start(this);
    return this;
  }

  /** Sends all, a batch at a time. */
  send(bytes: Buffer): void {
    this.#toSend = bytes;
    this.onDrain();
  }

  get unsent(): number {
    return this.#toSend.length;
  }

  onData(chunk: Buffer): void {
    this.received += chunk.length;
    this.chunks.push(Buffer.from(chunk));
    if (this.isEager) this.transport.consumed(chunk.length);
  }

  onDrain(): void {
    while (this.#toSend.length > 0) {
      const length = Math.min(this.transport.capacity(), this.#toSend.length);
      if (length === 0) return;
      this.transport.write(this.#toSend, length);
      this.#toSend = this.#toSend.subarray(length);
    }
  }

  onEnd(): void {
    this.ended.resolve();
  }

  onClose(error: Error | undefined): void {
    this.closed.resolve(error);
  }
}

interface Variant {
  readonly name: string;
  readonly isUnix?: true;
  readonly isTls?: true;
  readonly readBuffer?: Buffer;
}

const variants: readonly Variant[] = [
  { name: 'TCP' },
  { name: 'TCP with a static read buffer', readBuffer: createReadBuffer() },
  { name: 'a unix socket', isUnix: true },
  { name: 'a unix socket with a static read buffer', isUnix: true, readBuffer: createReadBuffer() },
  { name: 'TLS', isTls: true },
];

/** A listener and a connection to it, neither end started. */
async function connectPair({ isUnix, isTls, readBuffer }: Variant) {
  const accepted = deferred<Transport>();
  const path = join(folder, 'socket');
  const endpoint: Endpoint = isUnix ? { path } : { host: '127.0.0.1', port: 0 };
  const shared = readBuffer === undefined ? {} : { readBuffer };
  const listener = scope.own(
    await listenTransport({
      endpoint,
      onConnection: (transport) => accepted.resolve(transport),
      ...shared,
      ...(isTls ? { tls: () => tls } : {}),
    }),
  );
  const host = '127.0.0.1';
  const address: Address = isUnix
    ? { kind: 'unix', path }
    : { kind: 'tcp', host, port: listener.port, tls: isTls ?? false };
  const base = { address, timeoutMs: 60_000, clock: systemClock, ...shared };
  const client = new End(await connectTransport({ ...base, tls: { ca: tls.cert } }));
  return { client, server: new End(await accepted.promise), listener };
}

function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index += 1) bytes[index] = (index * 7 + (index >> 10)) & 0xff;
  return bytes;
}

for (const variant of variants) {
  describe(`a transport over ${variant.name}`, () => {
    test('carries 20 MB both ways at once, unharmed, and ends in order', async () => {
      const { client, server } = await connectPair(variant);
      client.start();
      server.start();
      const bytes = pattern(20_000_000);
      client.send(Buffer.from(bytes));
      server.send(Buffer.from(bytes));
      while (client.unsent + server.unsent > 0) await tick();
      client.transport.end();
      await server.ended.promise;
      server.transport.end();
      await client.ended.promise;
      expect(await Promise.all([client.closed.promise, server.closed.promise])).toEqual([
        undefined,
        undefined,
      ]);
      expect(Buffer.concat(client.chunks).equals(bytes)).toBe(true);
      expect(Buffer.concat(server.chunks).equals(bytes)).toBe(true);
    });

    test('delivers nothing before start, then all of it', async () => {
      const { client, server } = await connectPair(variant);
      client.start().send(Buffer.from('early'));
      client.transport.end();
      await tick();
      expect(server.received).toBe(0);
      server.start();
      await server.ended.promise;
      expect(Buffer.concat(server.chunks).toString()).toBe('early');
    });

    test('stops reading while nothing is consumed, so that the peer has to wait', async () => {
      const { client, server } = await connectPair(variant);
      server.isEager = false;
      server.start();
      client.start().send(pattern(40_000_000));
      while (server.received < 1_000_000) await tick();
      // Enough turns for all the rest, were it not held back.
      for (let turn = 0; turn < 1000; turn += 1) await tick();
      expect(server.received).toBeLessThan(2_500_000);
      expect(client.unsent).toBeGreaterThan(10_000_000);
      server.isEager = true;
      server.transport.consumed(server.received);
      while (server.received < 40_000_000) await tick();
    });

    test('goes on sending after the peer ended', async () => {
      const { client, server } = await connectPair(variant);
      server.start();
      client.start();
      client.transport.end();
      await server.ended.promise;
      server.send(Buffer.from('still here'));
      server.transport.end();
      await client.ended.promise;
      expect(Buffer.concat(client.chunks).toString()).toBe('still here');
    });

    test('destroy drops both directions and reports the error to its own side', async () => {
      const { client, server } = await connectPair(variant);
      client.start();
      server.start();
      client.transport.destroy(new Error('enough'));
      expect((await client.closed.promise)?.message).toBe('enough');
      await Promise.race([server.ended.promise, server.closed.promise]);
      expect(client.transport.capacity()).toBe(0);
      expect(client.transport.write(Buffer.from('late'), 4)).toBe(true);
    });

    test('names its peer', async () => {
      const { client, server } = await connectPair(variant);
      expect(client.transport.peer).toMatch(/^(tcp|tls):\/\/127.0.0.1:\d+$|^unix:\//);
      expect(server.transport.peer).toMatch(/^tcp:\/\/127.0.0.1:\d+$|^unix:\//);
    });
  });
}

describe('connectTransport', () => {
  const base = { timeoutMs: 60_000, clock: systemClock };

  test('says where it could not connect', async () => {
    const listener = await listenTransport({
      endpoint: { host: '127.0.0.1', port: 0 },
      onConnection() {},
    });
    await listener.stop();
    const address = { kind: 'tcp', host: '127.0.0.1', port: listener.port, tls: false } as const;
    await expect(connectTransport({ ...base, address })).rejects.toThrow(
      `cannot connect to tcp://127.0.0.1:${listener.port}: connect ECONNREFUSED`,
    );
  });

  test('gives up after its limit when the TLS handshake gets no answer', async () => {
    const port = await listen(() => {});
    const address = { kind: 'tcp', host: '127.0.0.1', port, tls: true } as const;
    await expect(connectTransport({ ...base, timeoutMs: 50, address })).rejects.toThrow(
      TimeoutError,
    );
  });

  test('says so when the connection breaks in the middle of the TLS handshake', async () => {
    const port = await listen((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const address = { kind: 'tcp', host: '127.0.0.1', port, tls: true } as const;
    await expect(connectTransport({ ...base, address })).rejects.toThrow(
      `cannot connect to tls://127.0.0.1:${port}: read ECONNRESET`,
    );
  });

  test('stops at the signal, before and during', async () => {
    const address = { kind: 'unix', path: join(folder, 'none') } as const;
    const options = { ...base, address };
    await expect(connectTransport({ ...options, signal: AbortSignal.abort() })).rejects.toThrow(
      /cancelled/,
    );
    const controller = new AbortController();
    const connecting = connectTransport({ ...options, signal: controller.signal });
    controller.abort();
    await expect(connecting).rejects.toThrow(/cancelled/);
  });

  test('refuses a certificate that it does not trust, and one for another name', async () => {
    const refused: Error[] = [];
    const listener = scope.own(
      await listenTransport({
        endpoint: { host: '127.0.0.1', port: 0 },
        tls: () => tls,
        onConnection: (transport) => transport.destroy(),
        onRefused: (error) => refused.push(error),
      }),
    );
    const address = { kind: 'tcp', host: '127.0.0.1', port: listener.port, tls: true } as const;
    await expect(connectTransport({ ...base, address })).rejects.toThrow(/self.signed/);
    const other = { ca: tls.cert, serverName: 'other' };
    await expect(connectTransport({ ...base, address, tls: other })).rejects.toThrow(/altnames/);
  });
});

describe('listenTransport', () => {
  test('says which endpoint is taken', async () => {
    const endpoint = { host: '127.0.0.1', port: 0 };
    const first = scope.own(await listenTransport({ endpoint, onConnection() {} }));
    await expect(
      listenTransport({ endpoint: { ...endpoint, port: first.port }, onConnection() {} }),
    ).rejects.toThrow(`cannot listen on 127.0.0.1:${first.port}`);
  });

  test('closes connections beyond the limit, and takes new ones when others closed', async () => {
    const accepted: End[] = [];
    const refused: Error[] = [];
    const listener = scope.own(
      await listenTransport({
        endpoint: { host: '127.0.0.1', port: 0 },
        readBuffer: createReadBuffer(),
        maxConnections: 1,
        onConnection: (transport) => accepted.push(new End(transport).start()),
        onRefused: (error) => refused.push(error),
      }),
    );
    const address = { kind: 'tcp', host: '127.0.0.1', port: listener.port, tls: false } as const;
    const connect = async () =>
      new End(await connectTransport({ address, timeoutMs: 60_000, clock: systemClock })).start();
    const first = await connect();
    const second = await connect();
    await Promise.race([second.ended.promise, second.closed.promise]);
    expect(refused).toHaveLength(1);
    first.transport.destroy();
    await accepted[0]?.ended.promise;
    accepted[0]?.transport.end();
    await accepted[0]?.closed.promise;
    await connect();
    while (accepted.length < 2) await tick();
  });

  test('stop takes no more connections and leaves the others alone', async () => {
    const { client, server, listener } = await connectPair({ name: 'TCP' });
    await listener.stop();
    await listener.stop();
    const address = { kind: 'tcp', host: '127.0.0.1', port: listener.port, tls: false } as const;
    await expect(
      connectTransport({ address, timeoutMs: 60_000, clock: systemClock }),
    ).rejects.toThrow(/ECONNREFUSED/);
    server.start();
    client.start().send(Buffer.from('on'));
    while (server.received < 2) await tick();
  });
});

/** Starts a server that is not ours. Resolves with its port. */
async function listen(accept: (socket: Socket) => void): Promise<number> {
  const server = createServer(accept).listen(0, '127.0.0.1');
  scope.onStop(() => void server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function tick(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
