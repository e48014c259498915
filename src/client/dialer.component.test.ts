import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startClusterIp } from '../../test/support/cluster-ip.ts';
import { eventually } from '../../test/support/eventually.ts';
import { startUnansweringPort } from '../../test/support/unanswering-port.ts';
import { systemClock } from '../base/clock.ts';
import { Scope } from '../base/scope.ts';
import { listenTransport, type ServerTls } from '../proxy/wire/socket-transport.ts';
import type { Transport } from '../proxy/wire/transport.ts';
import type { Address } from '../rpc/address.ts';
import { statusCodes } from '../rpc/status.ts';
import { dial, type DialOptions } from './dialer.ts';

const folder = mkdtempSync(join(tmpdir(), 'dialer-'));
let certificate: ServerTls = { key: '', cert: '' };
let scope = new Scope();

beforeAll(() => {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=proxy', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-days', '2', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', ...curve, ...names, ...files], { stdio: 'ignore' });
  certificate = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
});
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** That of a service which has long been out of use, and which only root might begin. */
const closedPort = 1;

const addressOf = (port: number, tls = false): Address => ({
  kind: 'tcp',
  host: '127.0.0.1',
  port,
  tls,
});

async function dialTo(
  addresses: readonly Address[],
  options: Partial<DialOptions> = {},
): Promise<Transport> {
  const defaults = { name: 'proxies', limitMs: 60_000, clock: systemClock };
  const transport = await dial({
    addresses,
    tls: { ca: certificate.cert },
    ...defaults,
    ...options,
  });
  scope.onStop(async () => transport.destroy());
  return transport;
}

/** A proxy that takes connections. */
async function startServer(options: { readonly tls?: () => ServerTls } = {}): Promise<number> {
  const endpoint = { host: '127.0.0.1', port: 0 };
  const onConnection = (transport: Transport) => scope.onStop(async () => transport.destroy());
  return scope.own(await listenTransport({ endpoint, onConnection, ...options })).port;
}

describe('dialing', () => {
  test('goes on to the next address before the limit when one gives no answer', async () => {
    const silent = scope.own(await startUnansweringPort());
    const port = await startServer();
    const transport = await dialTo([addressOf(silent.port), addressOf(port)]);
    expect(transport.peer).toBe(`tcp://127.0.0.1:${port}`);
  });

  test('tries its only address again, which may lead to another server, and drops the first attempt', async () => {
    const port = await startServer({ tls: () => certificate });
    const service = scope.own(await startClusterIp([undefined, port]));
    await dialTo([addressOf(service.port, true)]);
    expect(service.connections.made).toBeGreaterThanOrEqual(2);
    await eventually('one connection is left', () => service.connections.open === 1);
  });

  test('waits for an answer that comes late instead of beginning over and over', async () => {
    const port = await startServer({ tls: () => certificate });
    // Only the first attempt can succeed, some time after the second one has begun.
    const targets = [port, ...Array.from({ length: 100 }, () => undefined)];
    const service = scope.own(await startClusterIp(targets, { delayMs: 1500 }));
    await dialTo([addressOf(service.port, true)]);
    expect(service.connections.made).toBeGreaterThanOrEqual(2);
  });

  test('tries again where it fails at once, as with a server that is being restarted', async () => {
    const port = await startServer({ tls: () => certificate });
    const service = scope.own(await startClusterIp([closedPort, closedPort, port]));
    await dialTo([addressOf(service.port, true)]);
    expect(service.connections.made).toBeGreaterThanOrEqual(3);
  });

  test('gives up at the limit, however many addresses there are, with a reason', async () => {
    const silent = scope.own(await startUnansweringPort());
    const all = Array.from({ length: 20 }, () => addressOf(silent.port));
    await expect(dialTo(all, { limitMs: 1000 })).rejects.toMatchObject({
      code: statusCodes.UNAVAILABLE,
      message: 'no server behind proxies answers: no answer within 1000 ms',
    });
    const refused = dialTo([addressOf(closedPort)], { limitMs: 2000 });
    await expect(refused).rejects.toThrow(/no server behind proxies answers: .*ECONNREFUSED/);
    await expect(dialTo([])).rejects.toThrow('the name has no address');
  });

  test('ends at once when it is cancelled', async () => {
    const silent = scope.own(await startUnansweringPort());
    const giveUp = new AbortController();
    const dialing = dialTo([addressOf(silent.port)], { signal: giveUp.signal });
    giveUp.abort();
    await expect(dialing).rejects.toMatchObject({ code: statusCodes.CANCELLED });
    await expect(dialTo([addressOf(closedPort)], { signal: giveUp.signal })).rejects.toThrow(
      'cancelled',
    );
  });
});
