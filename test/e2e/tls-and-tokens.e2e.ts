import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import { RpcError } from '../../src/rpc/rpc-error.ts';
import { statusName } from '../../src/rpc/status.ts';
import { exampleManifest, GitalyClusterUnderTest } from '../scenario/gitaly-cluster.ts';
import { Git } from '../scenario/git.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { podsOf, restartsOf, warningsSince } from '../scenario/pods.ts';
import { dropNamespace, freshNamespace } from '../scenario/product.ts';
import { reach } from '../scenario/reach.ts';
import { deliverSecrets, patchToken, putSecret } from '../scenario/secrets.ts';
import { fingerprintOf, shownCertificate } from '../scenario/shown-certificate.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { CertificateAuthority, type IssuedCertificate } from '../support/certificate-authority.ts';
import { ServiceRelay } from '../support/service-relay.ts';
import { callTasks, patience, type LoadTask } from '../support/steady-load.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { hangLimitMs } from './hang-limit.ts';
import { gitTasks, loadTarget, underLoad } from './load-check.ts';

const namespace = 'gitaly-tls';
const proxySelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=proxy';
const storageSelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=storage';
const proxyName = `gitaly-proxy.${namespace}.svc`;
const storagesName = `gitaly-default.${namespace}.svc`;
const proxySecret = 'gitaly-proxy-tls';
const storageSecret = 'gitaly-storage-tls';
const tlsPort = 8076;

/** Kubernetes and the proxies have two minutes to take up a changed Secret. */
const takenUpMs = 180_000;

jest.setTimeout(hangLimitMs);

describe('a GitalyCluster with TLS, under load', () => {
  const scope = new Scope();
  const authority = new CertificateAuthority();
  let cluster: Cluster;
  let underTest: GitalyClusterUnderTest;
  let token: string;
  let client: GitalyClient;
  let git: Git;
  let tasks: readonly LoadTask[];

  beforeAll(async () => {
    scope.onStop(() => authority.remove());
    cluster = await openCluster(lineProgress((line) => process.stderr.write(line)));
    await freshNamespace(cluster, namespace);
    scope.onStop(() => dropNamespace(cluster, namespace));
    await installGitlab(cluster, namespace);
    await putCertificate(proxySecret, issueForProxies());
    await putCertificate(storageSecret, issueForStorages());
    underTest = scope.own(new GitalyClusterUnderTest(cluster, namespace));
    const manifest = await exampleManifest(cluster, namespace);
    const tls = {
      proxy: { secretRef: { name: proxySecret } },
      storages: { secretRef: { name: storageSecret } },
    };
    await underTest.apply({ ...manifest, spec: { ...manifest.spec, tls } });
    const startedAt = new Date();
    scope.onStop(async () => {
      process.stderr.write(await warningsSince(cluster, namespace, proxySelector, startedAt));
    });
    token = await underTest.token('client-token');
    const service = { namespace, kind: 'service', name: 'gitaly-proxy' } as const;
    const reached = scope.own(await reach(cluster, service, tlsPort));
    client = scope.own(
      createGitalyClient({
        address: `dns+tls:///${proxyName}:${reached.port}`,
        lookup: () => Promise.resolve([reached.host]),
        token: () => token,
        tls: { ca: authority.cert },
        ...patience,
      }),
    );
    // The command line knows no names but the machine's: for it, the proxies are on this machine.
    const relay = scope.own(await ServiceRelay.start());
    relay.use([reached]);
    const remote = { ...relay.endpoint, token, virtualStorage: 'default' };
    git = scope.own(await Git.create({ ...remote, caFile: authority.file }));
    const target = await loadTarget(client, 'load.git');
    tasks = [...callTasks('calls', client, target), ...(await gitTasks(scope, git, client))];
  });

  afterAll(() => scope.stop());

  test('refuses nobody but those who trust another authority', async () => {
    const other = new CertificateAuthority();
    const service = { namespace, kind: 'service', name: 'gitaly-proxy' } as const;
    const reached = scope.own(await reach(cluster, service, tlsPort));
    const asked = { host: reached.host, port: reached.port, name: proxyName };
    try {
      await expect(shownCertificate({ ...asked, ca: other.cert })).rejects.toThrow('certificate');
      await expect(shownCertificate({ ...asked, ca: authority.cert })).resolves.toBeTruthy();
    } finally {
      other.remove();
    }
  });

  test('shows a renewed certificate without a restart', async () => {
    const before = await restartsOf(cluster, namespace, proxySelector);
    const renewed = issueForProxies();
    await underLoad(tasks, async () => {
      await putCertificate(proxySecret, renewed);
      await deliverSecrets(cluster, namespace, proxySelector);
      await waitForCertificate(proxySelector, () => proxyName, renewed);
    });
    expect(await restartsOf(cluster, namespace, proxySelector)).toEqual(before);
    expect(before.size).toBe(2);
  });

  test('takes another token of its clients, and in the end only that', async () => {
    const before = await restartsOf(cluster, namespace, proxySelector);
    const secret = 'gitaly-client-token';
    const old = token;
    const next = randomBytes(32).toString('hex');
    await underLoad(tasks, async (more) => {
      await patchToken(cluster, namespace, secret, { token: next, 'previous-token': old });
      await deliverSecrets(cluster, namespace, proxySelector);
      await waitForToken(proxySelector, next, true);
      await waitForToken(proxySelector, old, true);
      token = next;
      await git.useToken(next);
      await more();
      await patchToken(cluster, namespace, secret, { 'previous-token': null });
      await deliverSecrets(cluster, namespace, proxySelector);
      await waitForToken(proxySelector, old, false);
    });
    expect(await restartsOf(cluster, namespace, proxySelector)).toEqual(before);
    await underTest.waitUntilSafe();
  });

  test('has its storages rolled onto another token and certificate', async () => {
    const secret = 'gitaly-gitaly-token';
    const old = await underTest.token('gitaly-token');
    const next = randomBytes(32).toString('hex');
    const renewed = issueForStorages();
    const storages = (await podsOf(cluster, namespace, storageSelector)).map(({ name }) => name);
    await underLoad(tasks, async () => {
      await putCertificate(storageSecret, renewed);
      await patchToken(cluster, namespace, secret, { token: next, 'previous-token': old });
      await deliverSecrets(cluster, namespace, proxySelector);
      await waitFor('the update to begin', 120_000, async () => {
        const { updated, message } = await underTest.status();
        return updated === '3/3' ? `${updated}: ${message}` : undefined;
      });
      await waitFor('every pod to be replaced', 480_000, async () => {
        const { phase, data, updated, message } = await underTest.status();
        const isDone = phase === 'Ready' && data === 'Safe' && updated === '3/3';
        return isDone ? undefined : `${phase}, ${data}, ${updated}: ${message}`;
      });
      await patchToken(cluster, namespace, secret, { 'previous-token': null });
      await deliverSecrets(cluster, namespace, proxySelector);
    });
    expect(storages).toHaveLength(3);
    await waitForToken(storageSelector, next, true);
    await waitForToken(storageSelector, old, false);
    await waitForCertificate(storageSelector, (pod) => `${pod}.${storagesName}`, renewed);
    await underTest.waitUntilSafe();
  });

  function issueForProxies(): IssuedCertificate {
    const names = [`DNS:${proxyName}`, `DNS:gitaly-proxy-headless.${namespace}.svc`];
    return authority.issue({ names: [...names, 'IP:127.0.0.1'].join(',') });
  }

  function issueForStorages(): IssuedCertificate {
    return authority.issue({ names: `DNS:*.${storagesName}` });
  }

  /** Waits until each of the pods shows that certificate. */
  async function waitForCertificate(
    selector: string,
    nameOf: (pod: string) => string,
    { cert }: IssuedCertificate,
  ): Promise<void> {
    for (const { name: pod } of await podsOf(cluster, namespace, selector)) {
      const target = { namespace, kind: 'pod', name: pod } as const;
      const { host, port } = scope.own(await reach(cluster, target, tlsPort));
      const holder = { host, port, name: nameOf(pod), ca: authority.cert };
      await waitFor(`${pod} to show the certificate`, takenUpMs, async () => {
        const shown = await shownCertificate(holder);
        return shown === fingerprintOf(cert) ? undefined : 'it shows another one';
      });
    }
  }

  /** Waits until each of the pods takes that token, or refuses it. */
  async function waitForToken(selector: string, secret: string, isGood: boolean): Promise<void> {
    const verdict = isGood ? 'OK' : 'PERMISSION_DENIED';
    for (const { name: pod } of await podsOf(cluster, namespace, selector)) {
      const { server } = await underTest.podClient(pod, secret);
      await waitFor(`${pod} to answer ${verdict}`, takenUpMs, async () => {
        const answer = await server.serverInfo({}).then(
          () => 'OK',
          (error: unknown) => statusName(RpcError.from(error).code),
        );
        return answer === verdict ? undefined : answer;
      });
    }
  }

  /** As cert-manager does. */
  function putCertificate(name: string, { cert, key }: IssuedCertificate): Promise<void> {
    const data = { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.cert };
    return putSecret(cluster, namespace, name, data);
  }
});
