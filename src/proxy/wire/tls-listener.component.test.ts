import { X509Certificate } from 'node:crypto';
import { connect, createServer, type AddressInfo } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { CertificateAuthority } from '../../../test/support/certificate-authority.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { systemClock } from '../../base/clock.ts';
import { deferred } from '../../base/deferred.ts';
import { Scope } from '../../base/scope.ts';
import {
  connectTransport,
  listenTransport,
  type ListenOptions,
  type ServerTls,
} from './socket-transport.ts';
import type { Transport } from './transport.ts';

let scope = new Scope();
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

/** Resolves when the peer has ended. */
function untilEnded(transport: Transport): Promise<void> {
  const ended = deferred<void>();
  const onEnd = () => ended.resolve();
  transport.start({ onData() {}, onDrain() {}, onEnd, onClose() {} });
  return ended.promise;
}

describe('a TLS listener', () => {
  const endpoint = { host: '127.0.0.1', port: 0 };
  const authority = new CertificateAuthority();
  const base = { tls: { ca: authority.cert }, timeoutMs: 60_000, clock: systemClock };
  afterAll(() => authority.remove());

  async function listen(
    certificate: () => ServerTls,
    limits: Pick<ListenOptions, 'tlsHandshakeLimitMs' | 'maxConnections' | 'accepted'> = {},
  ) {
    const refused: Error[] = [];
    const listener = scope.own(
      await listenTransport({
        ...limits,
        endpoint,
        tls: certificate,
        onConnection: (transport) => void untilEnded(transport).then(() => transport.end()),
        onRefused: (error) => refused.push(error),
      }),
    );
    return { refused, listener };
  }

  /** Connects, and says what the server shows and which protocol was agreed on. */
  function handshake(port: number, options: ConnectionOptions = {}) {
    const socket = connectTls({ host: '127.0.0.1', port, ca: authority.cert, ...options });
    scope.onStop(() => void socket.destroy());
    return new Promise<{ readonly subject: string; readonly protocol: string | false | null }>(
      (resolve, reject) => {
        socket.once('error', reject);
        socket.once('secureConnect', () => {
          const subject = String(socket.getPeerCertificate().subject.CN);
          resolve({ subject, protocol: socket.alpnProtocol });
        });
      },
    );
  }

  test('shows new connections the new certificate, and keeps the old ones', async () => {
    const [first, second] = [authority.issue(), authority.issue()];
    let current = first;
    const { listener } = await listen(() => current);
    const address = { kind: 'tcp', host: '127.0.0.1', port: listener.port, tls: true } as const;
    const old = await connectTransport({ ...base, address });
    scope.onStop(() => old.destroy());
    const ended = untilEnded(old);
    const { subject } = await handshake(listener.port);
    current = second;
    expect((await handshake(listener.port)).subject).not.toBe(subject);
    old.end();
    await ended;
  });

  test('offers h2 to those that ask, and takes those that do not', async () => {
    const certificate = authority.issue();
    const { listener } = await listen(() => certificate);
    const asked = await handshake(listener.port, { ALPNProtocols: ['h2', 'http/1.1'] });
    expect(asked.protocol).toBe('h2');
    expect((await handshake(listener.port)).protocol).toBe(false);
  });

  test('refuses versions before TLS 1.2', async () => {
    const certificate = authority.issue();
    const { listener, refused } = await listen(() => certificate);
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    await expect(handshake(listener.port, old)).rejects.toThrow(/alert|protocol|version/i);
    await eventually('the refusal is told', () => refused.length > 0);
    await handshake(listener.port, { maxVersion: 'TLSv1.2' });
  });

  test.each([
    ['says nothing', () => {}],
    ['has ended its side', (end: () => void) => end()],
  ])('closes the connection of a client that %s', async (_what, act) => {
    const certificate = authority.issue();
    const { listener, refused } = await listen(() => certificate, { tlsHandshakeLimitMs: 50 });
    const silent = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
    scope.onStop(() => void silent.destroy());
    act(() => silent.end());
    // It ends when the server does.
    await new Promise((resolve) => silent.once('end', resolve).resume());
    expect(refused.map(({ message }) => message)).toEqual(['TLS handshake timeout']);
  });

  /** Clients whose handshake comes to nothing; each has gone when it resolves. */
  const failing: readonly (readonly [string, (port: number) => Promise<unknown>])[] = [
    ['does not trust the certificate', (port) => handshake(port, { ca: [] }).catch(() => {})],
    [
      'does not trust the certificate of a server with TLS 1.2',
      (port) => handshake(port, { ca: [], maxVersion: 'TLSv1.2' }).catch(() => {}),
    ],
    [
      'asks for no protocol that is served',
      (port) => handshake(port, { ALPNProtocols: ['smtp'] }).catch(() => {}),
    ],
    [
      'speaks no TLS',
      (port) =>
        new Promise((resolve) => {
          const plain = connect({ port, host: '127.0.0.1' });
          plain
            .once('close', resolve)
            .on('error', () => {})
            .resume();
          plain.write('GET / HTTP/1.1\r\n\r\n');
        }),
    ],
    [
      'resets the connection at once',
      (port) =>
        new Promise((resolve) => {
          const fickle = connect({ port, host: '127.0.0.1' });
          fickle.once('close', resolve).once('connect', () => fickle.resetAndDestroy());
        }),
    ],
  ];

  test.each(failing)('forgets a client that %s', async (_what, fail) => {
    const certificate = authority.issue();
    const limits = { maxConnections: 2, tlsHandshakeLimitMs: 500 };
    const { listener } = await listen(() => certificate, limits);
    for (let client = 1; client <= 5; client++) await fail(listener.port);
    await eventually('another one is served', () =>
      handshake(listener.port).then(
        () => true,
        () => false,
      ),
    );
  });

  test.each(failing)(
    'tells whoever gave it the connection of a client that %s',
    async (_what, fail) => {
      const certificate = authority.issue();
      let [given, closed] = [0, 0];
      const acceptor = createServer({ pauseOnConnect: true });
      await listen(() => certificate, {
        accepted: {
          start(take) {
            acceptor.on('connection', (socket) => {
              given += 1;
              take(socket);
            });
            return { stop: async () => {} };
          },
          onClosed: () => {
            closed += 1;
          },
        },
      });
      await new Promise<void>((resolve) => acceptor.listen(0, '127.0.0.1', resolve));
      scope.onStop(() => void acceptor.close());
      const { port } = acceptor.address() as AddressInfo;
      for (let client = 1; client <= 5; client++) await fail(port);
      await eventually('all have closed', () => given === 5 && closed === 5);
    },
  );

  test('tells whoever connects when its certificate ends', async () => {
    const certificate = authority.issue({ days: 2 });
    const { listener } = await listen(() => certificate);
    const address = { kind: 'tcp', host: '127.0.0.1', port: listener.port, tls: true } as const;
    let notAfterMs = 0;
    const onVerified = (endMs: number) => {
      notAfterMs = endMs;
    };
    const tls = { ...base.tls, onVerified };
    (await connectTransport({ ...base, address, tls })).destroy();
    expect(notAfterMs).toBe(Date.parse(new X509Certificate(certificate.cert).validTo));
  });
});
