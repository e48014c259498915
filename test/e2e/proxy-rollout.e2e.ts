import { Resolver } from 'node:dns/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import { exampleManifest, GitalyClusterUnderTest } from '../scenario/gitaly-cluster.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { podsOf, waitForDeployment, warningsSince } from '../scenario/pods.ts';
import { freshNamespace } from '../scenario/product.ts';
import { reach } from '../scenario/reach.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { SteadyGoClient } from '../support/steady-go-client.ts';
import { callTasks, patience, type LoadTask } from '../support/steady-load.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { gitTasks, loadTarget, underLoad } from './load-check.ts';

const namespace = 'gitaly-rollout';
const deployment = 'gitaly-proxy';
const proxySelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=proxy';
const headlessName = `gitaly-proxy-headless.${namespace}.svc.cluster.local`;
const port = 8075;

jest.setTimeout(600_000);

describe('the proxies of a cluster, replaced with kubectl rollout restart under load', () => {
  const scope = new Scope();
  let cluster: Cluster;
  let underTest: GitalyClusterUnderTest;
  let byService: GitalyClient;
  let serviceAddress: string;
  let token: string;

  beforeAll(async () => {
    await goProgram('steady');
    cluster = await openCluster(lineProgress((line) => process.stderr.write(line)));
    await freshNamespace(cluster, namespace);
    await installGitlab(cluster, namespace);
    underTest = scope.own(new GitalyClusterUnderTest(cluster, namespace));
    const manifest = await exampleManifest(cluster, namespace);
    manifest.spec['proxy'] = { ...(manifest.spec['proxy'] as object), workers: 2 };
    await underTest.apply(manifest);
    token = await underTest.token('client-token');
    const service = { namespace, kind: 'service', name: deployment } as const;
    const reached = scope.own(await reach(cluster, service, port));
    serviceAddress = `${reached.host}:${reached.port}`;
    const address = `tcp://${serviceAddress}`;
    byService = scope.own(createGitalyClient({ address, token, ...patience }));
  }, goProgramLimitMs + 600_000);

  afterAll(() => scope.stop());

  test('nobody notices', async () => {
    const startedAt = new Date();
    const goClients = await startGoClients();
    const tasks = [
      ...callTasks('by-service', byService, await loadTarget(byService, 'by-service.git')),
      ...(await byNameTasks()),
      ...(await gitTasks(await underTest.git(), await loadTarget(byService, 'git.git'))),
    ];
    await underLoad(tasks, async () => {
      const old = await podNames();
      const path = ['-n', namespace, 'rollout'];
      await cluster.kubectl([...path, 'restart', `deployment/${deployment}`]);
      await waitForDeployment(cluster, namespace, deployment, 300_000);
      await waitFor('the old proxies to go', 400_000, async () => {
        const left = (await allPodNames()).filter((name) => old.includes(name));
        return left.length === 0 ? undefined : left.join(', ');
      });
    });
    const reports = await Promise.all(goClients.map((client) => client.finish()));
    process.stderr.write(`calls of the clients in Go: ${JSON.stringify(reports)}\n`);
    process.stderr.write(await warningsSince(cluster, namespace, proxySelector, startedAt));
    expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
    expect(await podNames()).toHaveLength(2);
    await underTest.waitUntilSafe();
  });

  /** One knows the Service's address, the other asks the cluster's name server for every proxy. */
  async function startGoClients(): Promise<readonly SteadyGoClient[]> {
    const targets = { 'go-service': `passthrough:///${serviceAddress}` };
    const byName = cluster.reachesPods
      ? { 'go-name': `dns://${await nameServer()}/${headlessName}:${port}` }
      : {};
    return Promise.all(
      Object.entries({ ...targets, ...byName }).map(async ([prefix, address]) => {
        const { repository, commit } = await loadTarget(byService, `${prefix}.git`);
        const { relativePath, storageName: storage } = repository;
        const where = { target: address, token, storage, relativePath };
        return scope.own(await SteadyGoClient.start({ ...where, commit, prefix }));
      }),
    );
  }

  /** Our own client with the proxies' common name, where this process can reach pods. */
  async function byNameTasks(): Promise<readonly LoadTask[]> {
    if (!cluster.reachesPods) return [];
    const resolver = new Resolver();
    resolver.setServers([await nameServer()]);
    const client = createGitalyClient({
      address: `dns:///${headlessName}:${port}`,
      token,
      ...patience,
      lookup: (host) => resolver.resolve4(host),
    });
    return callTasks('by-name', scope.own(client), await loadTarget(byService, 'by-name.git'));
  }

  async function nameServer(): Promise<string> {
    const path = ['-n', 'kube-system', 'get', 'service', 'kube-dns'];
    return cluster.kubectl([...path, '-o', 'jsonpath={.spec.clusterIP}']);
  }

  async function podNames(): Promise<readonly string[]> {
    return (await podsOf(cluster, namespace, proxySelector)).map(({ name }) => name);
  }

  /** Also those that are on their way out. */
  async function allPodNames(): Promise<readonly string[]> {
    const path = ['-n', namespace, 'get', 'pods', '-l', proxySelector, '-o', 'name'];
    return (await cluster.kubectl(path)).split('\n').map((name) => name.replace('pod/', ''));
  }
});
