import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { CertificateAuthority } from '../../../test/support/certificate-authority.ts';
import { systemClock } from '../../base/clock.ts';
import { deferred } from '../../base/deferred.ts';
import { Scope } from '../../base/scope.ts';
import { connectTransport } from './socket-transport.ts';

const authority = new CertificateAuthority();
const certificate = authority.issue();
let scope = new Scope();

afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

afterAll(() => authority.remove());

/** More than a peer's kernel takes that does not read, less than this one's does. */
const written = 256 * 1024;

/** With 1.3 a server sends tickets after the handshake. A socket that has not read them resets whenever it is closed. */
const tlsOptions = { ALPNProtocols: ['h2'], maxVersion: 'TLSv1.2' } as const;

/** How much arrives of what is written to a peer that reads only after the transport was destroyed. */
async function arrivesAfterDestroy(tls: boolean, resetsOnDestroy: boolean): Promise<number> {
  const accepted = deferred<Socket>();
  const server = tls
    ? createTlsServer({ ...certificate, ...tlsOptions })
    : createServer({ pauseOnConnect: true });
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    accepted.resolve(socket.pause());
  });
  scope.onStop(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const transport = await connectTransport({
    address: { kind: 'tcp', host: '127.0.0.1', port, tls },
    tls: { ca: authority.cert },
    timeoutMs: 60_000,
    clock: systemClock,
    resetsOnDestroy,
  });
  const peer = await accepted.promise;
  const [taken, closed] = [deferred<void>(), deferred<void>()];
  transport.start({
    onData() {},
    onDrain: () => taken.resolve(),
    onEnd() {},
    onClose: () => closed.resolve(),
  });
  const isTaken = transport.write(Buffer.alloc(written), written) || transport.capacity() > 0;
  if (!isTaken) await taken.promise;
  transport.destroy();
  await closed.promise;
  let received = 0;
  peer.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  // Its end is what matters, not how the peer is told of it.
  peer.on('error', () => {});
  await new Promise((resolve) => {
    peer.once('close', resolve).resume();
  });
  return received;
}

describe.each([
  ['TCP', false],
  ['TLS', true],
] as const)('what was written to a connection over %s and has not arrived', (_name, tls) => {
  test('still arrives after destroy', async () => {
    expect(await arrivesAfterDestroy(tls, false)).toBe(written);
  });

  test('never arrives after destroy, if that resets', async () => {
    expect(await arrivesAfterDestroy(tls, true)).toBeLessThan(written);
  });
});
