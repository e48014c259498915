import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import {
  giveToServers,
  startPostgres,
  type PostgresServer,
} from '../../../test/support/postgres-server.ts';
import { Scope } from '../../base/scope.ts';
import { create, eventually, WatchRecorder } from './conformance/support.ts';
import { StoreUnavailableError } from './control-store.ts';
import { connect, migrate } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'postgres-tls-'));
const limits = { connectMs: 2000, callMs: 2000, probeIntervalMs: 100 };
let server: PostgresServer;
let scope = new Scope();

beforeAll(async () => {
  makeCertificate('server');
  makeCertificate('other');
  await giveToServers(folder, join(folder, 'server.key'), join(folder, 'server.crt'));
  server = await startPostgres({
    // The address of the name that the certificate is for.
    listen_addresses: '127.0.0.1',
    ssl: 'on',
    ssl_cert_file: join(folder, 'server.crt'),
    ssl_key_file: join(folder, 'server.key'),
  });
  await migrate({ ...server.coordinates('postgres'), host: '127.0.0.1' });
});
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

describe('a connection with TLS', () => {
  test.each(['verify-full', 'no-verify'])('works with sslmode=%s', async (mode) => {
    const store = scope.own(await connect({ uri: uri(mode, 'server') }, { limits }));
    const recorder = new WatchRecorder();
    await store.watch(recorder);
    const record = await create(store);
    await recorder.until(({ kind }) => kind === 'changed');
    expect(await store.get(record)).toEqual(record);
  });

  test('is refused when the certificate is not trusted', async () => {
    const connecting = connect({ uri: uri('verify-full', 'other') }, { limits });
    await expect(connecting).rejects.toBeInstanceOf(StoreUnavailableError);
    await expect(connecting).rejects.toThrow(/self-signed certificate/);
  });

  test('is cut like any other when the server answers nothing', async () => {
    const store = scope.own(await connect({ uri: uri('verify-full', 'server') }, { limits }));
    const recorder = new WatchRecorder();
    await store.watch(recorder);
    await server.freeze();
    try {
      await expect(store.liveOwners()).rejects.toBeInstanceOf(StoreUnavailableError);
      await recorder.until(({ kind }) => kind === 'disconnected');
    } finally {
      server.thaw();
    }
    await eventually(async () => recorder.events.at(-1)?.kind === 'reset');
    await store.liveOwners();
  });
});

function uri(sslmode: string, authority: string): string {
  const { port, dbname, username, password } = server.coordinates('postgres');
  const root = encodeURIComponent(join(folder, `${authority}.crt`));
  const address = `${username}:${password}@localhost:${port}/${dbname}`;
  return `postgresql://${address}?sslmode=${sslmode}&sslrootcert=${root}`;
}

function makeCertificate(name: string): void {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=test', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-days', '2', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', ...curve, ...names, ...files], { stdio: 'ignore' });
}
