import { Resolver } from 'node:dns/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient } from '../../src/client/gitaly-client.ts';
import { podsOf, waitForDeployment, warningsSince } from '../scenario/pods.ts';
import { waitFor } from '../scenario/wait-for.ts';
import type { SteadyGoClient } from '../support/steady-go-client.ts';
import { callTasks, patience, type LoadTask } from '../support/steady-load.ts';
import { loadTarget, underLoad } from './load-check.ts';
import { LoadedCluster, loadedClusterLimitMs } from './loaded-cluster.ts';

const namespace = 'gitaly-rollout';
const deployment = 'gitaly-proxy';
const proxySelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=proxy';
const headlessName = `gitaly-proxy-headless.${namespace}.svc.cluster.local`;
const port = 8075;

jest.setTimeout(600_000);

describe('the proxies of a cluster, replaced with kubectl rollout restart under load', () => {
  const scope = new Scope();
  let loaded: LoadedCluster;

  beforeAll(async () => {
    const workers = { proxy: { replicas: 2, workers: 2 } };
    loaded = await LoadedCluster.start(scope, { namespace, spec: workers });
  }, loadedClusterLimitMs);

  afterAll(() => scope.stop());

  test('nobody notices', async () => {
    const { cluster, underTest } = loaded;
    const startedAt = new Date();
    const goClients = await startGoClients();
    const tasks = [...(await loaded.tasks()), ...(await byNameTasks())];
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
    const byService = await loaded.startGoClient('go-service');
    if (!loaded.cluster.reachesPods) return [byService];
    const target = `dns://${await nameServer()}/${headlessName}:${port}`;
    return [byService, await loaded.startGoClient('go-name', target)];
  }

  /** Our own client with the proxies' common name, where this process can reach pods. */
  async function byNameTasks(): Promise<readonly LoadTask[]> {
    if (!loaded.cluster.reachesPods) return [];
    const resolver = new Resolver();
    resolver.setServers([await nameServer()]);
    const client = createGitalyClient({
      address: `dns:///${headlessName}:${port}`,
      token: loaded.token,
      ...patience,
      lookup: (host) => resolver.resolve4(host),
    });
    const target = await loadTarget(loaded.client, 'by-name.git');
    return callTasks('by-name', scope.own(client), target);
  }

  async function nameServer(): Promise<string> {
    const path = ['-n', 'kube-system', 'get', 'service', 'kube-dns'];
    return loaded.cluster.kubectl([...path, '-o', 'jsonpath={.spec.clusterIP}']);
  }

  async function podNames(): Promise<readonly string[]> {
    return (await podsOf(loaded.cluster, namespace, proxySelector)).map(({ name }) => name);
  }

  /** Also those that are on their way out. */
  async function allPodNames(): Promise<readonly string[]> {
    const path = ['-n', namespace, 'get', 'pods', '-l', proxySelector, '-o', 'name'];
    return (await loaded.cluster.kubectl(path)).split('\n').map((name) => name.replace('pod/', ''));
  }
});
