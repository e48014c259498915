import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import { readCertificate } from '../../src/main/certificate.ts';
import { Reloaded } from '../../src/main/reloaded.ts';
import { CertificateAuthority, type IssuedCertificate } from '../support/certificate-authority.ts';
import { commitFile } from '../support/commit-file.ts';
import { eventually } from '../support/eventually.ts';
import { GitUser } from '../support/git-user.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { RecordingLogger } from '../support/recording-logger.ts';
import { patience } from '../support/steady-load.ts';

const repository = { storageName: 'default', relativePath: 'group/project.git' };
const config = { grpcTlsListen: '127.0.0.1:0' };
const intervalMs = 1000;
/** For what begins processes, and waits for repairs: on a busy machine that takes long. */
const limitMs = 120_000;
const authority = new CertificateAuthority();
const other = new CertificateAuthority();
const folder = mkdtempSync(join(tmpdir(), 'proxy-tls-'));
const files = { certificateFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };

let scope = new Scope();
beforeAll(() => install(authority.issue()));
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});
afterAll(() => {
  authority.remove();
  other.remove();
  rmSync(folder, { recursive: true });
});

function install({ certificateFile, keyFile }: IssuedCertificate): void {
  copyFileSync(certificateFile, files.certificateFile);
  copyFileSync(keyFile, files.keyFile);
}

function tlsPortOf(cluster: ProxyCluster): number {
  const port = cluster.proxies[0]?.grpcTlsPort;
  if (port === undefined || port === 0) throw new Error('the proxy does not listen with TLS');
  return port;
}

function clientOf(address: string, ca = authority.cert): GitalyClient {
  const token = ProxyCluster.clientToken;
  return scope.own(createGitalyClient({ address, token, tls: { ca }, ...patience }));
}

async function metricsOf(cluster: ProxyCluster): Promise<string> {
  return (await fetch(`http://127.0.0.1:${cluster.proxies[0]?.httpPort}/metrics`)).text();
}

describe('a proxy with TLS on both sides', () => {
  test(
    'serves calls, git and repairs over it',
    async () => {
      const certificate = await readCertificate(files);
      const cluster = scope.own(
        await ProxyCluster.start({
          config,
          storageAuthority: authority,
          proxy: { certificate: () => certificate, storageCa: () => authority.cert },
        }),
      );
      const port = tlsPortOf(cluster);
      const client = clientOf(`tls://localhost:${port}`);
      await client.repository.createRepository({ repository });
      await commitFile(client, { repository, branch: 'main', text: 'first' });

      await cluster.node('gitaly-1').stop();
      const id = await commitFile(client, { repository, branch: 'main', text: 'second' });
      await cluster.restartNode('gitaly-1');
      await waitUntil(
        'all replicas are in sync again',
        async () => {
          for await (const { replicas } of client.admin.listRepositories({})) {
            return replicas.every(({ inSync }) => inSync);
          }
          return false;
        },
        limitMs,
      );

      const named = clientOf(`dns+tls:///localhost:${port}`);
      const found = await named.commit.findCommit({ repository, revision: Buffer.from('main') });
      expect(found.commit?.id).toBe(id);

      const user = scope.own(
        await GitUser.create({ address: '', token: ProxyCluster.clientToken }),
      );
      const env = {
        GITALY_HA_ADDRESS: `tls://localhost:${port}`,
        GITALY_HA_CA_FILE: authority.file,
      };
      const url = `ssh://git@proxy/default/${repository.relativePath}`;
      const clone = join(user.folder, 'clone');
      await user.git(['clone', '-q', '--branch', 'main', url, clone], { env });
      const head = await user.commit(clone, 'third');
      await user.git(['push', '-q', 'origin', 'main'], { cwd: clone, env });
      const pushed = await named.commit.findCommit({ repository, revision: Buffer.from('main') });
      expect(pushed.commit?.id).toBe(head);

      const metrics = await metricsOf(cluster);
      const ends = certificate.notAfterMs / 1000;
      expect(metrics).toContain(`\ngitaly_proxy_certificate_not_after_seconds ${ends}\n`);
      expect(
        metrics.match(/^gitaly_proxy_storage_certificate_not_after_seconds\{.*\} \d+$/gm),
      ).toHaveLength(3);
    },
    2 * limitMs,
  );

  test('serves nobody who trusts another authority', async () => {
    const certificate = await readCertificate(files);
    const cluster = scope.own(
      await ProxyCluster.start({
        storages: 0,
        config,
        proxy: { certificate: () => certificate },
      }),
    );
    const stranger = clientOf(`tls://localhost:${tlsPortOf(cluster)}`, other.cert);
    const call = stranger.server.serverInfo({}, { deadlineMs: 3000 });
    await expect(call).rejects.toThrow(/could be reached.*both sides agree about TLS/);
  });
});

describe("the proxy's certificate", () => {
  test('is renewed without a restart, and one that is broken leaves it in use', async () => {
    const [clock, logger] = [new ManualClock(), new RecordingLogger()];
    const read = () => readCertificate(files);
    const renewing = scope.own(await Reloaded.start({ read, clock, logger, intervalMs }));
    const cluster = scope.own(
      await ProxyCluster.start({
        storages: 0,
        config,
        proxy: { certificate: () => renewing.current },
      }),
    );
    const address = `tls://localhost:${tlsPortOf(cluster)}`;
    const old = clientOf(address);
    await old.server.serverInfo({});

    const first = renewing.current;
    install(other.issue({ days: 1 }));
    await eventually('the new certificate is read', async () => {
      await clock.advance(intervalMs);
      return renewing.current !== first;
    });
    await clientOf(address, other.cert).server.serverInfo({});
    await old.server.serverInfo({});
    const ends = renewing.current.notAfterMs / 1000;
    expect(await metricsOf(cluster)).toContain(`certificate_not_after_seconds ${ends}\n`);

    writeFileSync(files.keyFile, 'half a ke');
    await eventually('the broken key is told of', async () => {
      await clock.advance(intervalMs);
      return logger.lines.length > 0;
    });
    expect(logger.lines[0]).toContain(`${files.keyFile} cannot be used`);
    await clientOf(address, other.cert).server.serverInfo({});
    install(authority.issue());
  });
});

describe('a storage whose certificate is signed by nobody that the proxy trusts', () => {
  test('is not used, says why, and is used once its authority is trusted', async () => {
    let trusted = authority.cert;
    const cluster = scope.own(
      await ProxyCluster.start({
        storageAuthority: authority,
        proxy: { storageCa: () => trusted },
      }),
    );
    const client = cluster.client();
    const storage = async () => {
      const [virtualStorage] = (await client.admin.getStatus({})).virtualStorages;
      return virtualStorage?.storages.find(({ name }) => name === 'gitaly-1');
    };
    trusted = other.cert;
    await cluster.node('gitaly-1').stop();
    await cluster.restartNode('gitaly-1');
    await eventually('the status says why', async () =>
      /self-signed certificate|unable to verify/.test((await storage())?.healthReason ?? ''),
    );
    trusted = `${other.cert}${authority.cert}`;
    await eventually('it is used again', async () => (await storage())?.healthy);
  });
});
