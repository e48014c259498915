import { Resolver } from 'node:dns/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient } from '../../src/client/gitaly-client.ts';
import {
  imagesOf,
  podsOf,
  restartsOf,
  waitForDeployment,
  warningsSince,
} from '../scenario/pods.ts';
import { installOperator, leaderOf, operatorNamespace } from '../scenario/product.ts';
import { waitFor } from '../scenario/wait-for.ts';
import type { SteadyGoClient } from '../support/steady-go-client.ts';
import { callTasks, patience, type LoadTask } from '../support/steady-load.ts';
import { hangLimitMs } from './hang-limit.ts';
import { loadTarget, underLoad } from './load-check.ts';
import { LoadedCluster, loadedClusterLimitMs } from './loaded-cluster.ts';

const namespace = 'gitaly-rollout';
const deployment = 'gitaly-proxy';
const allSelector = 'gitaly.dev/cluster=gitaly';
const proxySelector = `${allSelector},app.kubernetes.io/component=proxy`;
/** The storages and the database. */
const otherSelector = `${allSelector},app.kubernetes.io/component!=proxy`;
const headlessName = `gitaly-proxy-headless.${namespace}.svc.cluster.local`;
const port = 8075;

jest.setTimeout(hangLimitMs);

describe('the proxies of a cluster, replaced under load', () => {
  const scope = new Scope();
  let loaded: LoadedCluster;
  let tasks: readonly LoadTask[];

  beforeAll(async () => {
    const workers = { proxy: { replicas: 2, workers: 2 } };
    loaded = await LoadedCluster.start(scope, { namespace, spec: workers });
    scope.onStop(() => installOperator(loaded.cluster));
    tasks = [...(await loaded.tasks()), ...(await byNameTasks())];
  }, loadedClusterLimitMs);

  afterAll(() => scope.stop());

  test('with kubectl rollout restart: nobody notices', async () => {
    await unnoticed('restart', async () => {
      const old = await podNames();
      const path = ['-n', namespace, 'rollout'];
      await loaded.cluster.kubectl([...path, 'restart', `deployment/${deployment}`]);
      await waitUntilReplaced(old);
    });
    expect(await podNames()).toHaveLength(2);
  });

  test('by an upgrade of the operator: nobody notices, and nothing else is replaced', async () => {
    const { cluster, manifest } = loaded;
    const { operator, nextOperator } = cluster.images;
    const old = await podNames();
    const others = await restartsOf(cluster, namespace, otherSelector);
    const proxyGeneration = await generationOf(`deployment/${deployment}`);
    const storageGeneration = await generationOf('statefulset/gitaly-default');
    expect(await imagesOf(cluster, namespace, proxySelector)).toEqual([operator]);

    await unnoticed('upgrade', async () => {
      await runOperator(nextOperator);
      await waitUntilReplaced(old);
      expect(await imagesOf(cluster, namespace, proxySelector)).toEqual([nextOperator]);

      // With an image of their own the proxies are not the operator's to upgrade, here back to the old one.
      const all = await restartsOf(cluster, namespace, allSelector);
      await loaded.change({
        proxy: { ...(manifest.spec['proxy'] as object), image: nextOperator },
      });
      await runOperator(operator);
      expect(await restartsOf(cluster, namespace, allSelector)).toEqual(all);
    });

    expect(await generationOf(`deployment/${deployment}`)).toBe(proxyGeneration + 1);
    expect(await generationOf('statefulset/gitaly-default')).toBe(storageGeneration);
    expect(await restartsOf(cluster, namespace, otherSelector)).toEqual(others);
    expect(await loaded.events()).not.toContain('DrainRequested');
  });

  /** Does something under load, no call of which may fail. `name` is told from those of earlier loads. */
  async function unnoticed(name: string, action: () => Promise<void>): Promise<void> {
    const startedAt = new Date();
    const goClients = await startGoClients(name);
    await underLoad(tasks, action);
    const reports = await Promise.all(goClients.map((client) => client.finish()));
    process.stderr.write(`calls of the clients in Go: ${JSON.stringify(reports)}\n`);
    process.stderr.write(await warningsSince(loaded.cluster, namespace, proxySelector, startedAt));
    expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
    await loaded.underTest.waitUntilSafe();
  }

  /** One knows the Service's address, the other asks the cluster's name server for every proxy. */
  async function startGoClients(name: string): Promise<readonly SteadyGoClient[]> {
    const byService = await loaded.startGoClient(`${name}-service`);
    if (!loaded.cluster.reachesPods) return [byService];
    const target = `dns://${await nameServer()}/${headlessName}:${port}`;
    return [byService, await loaded.startGoClient(`${name}-name`, target)];
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

  /** Resolves when an operator of this image leads, and has done for the cluster what it would do. */
  async function runOperator(image: string): Promise<void> {
    const { cluster, underTest } = loaded;
    await installOperator(cluster, { image });
    await waitForDeployment(cluster, operatorNamespace, 'gitaly-operator');
    await waitFor('an operator of that image to lead', 120_000, async () => {
      const leader = await leaderOf(cluster);
      const path = ['-n', operatorNamespace, 'get', 'pod', leader, '-o'];
      const found = await cluster.kubectl([...path, 'jsonpath={.spec.containers[0].image}']);
      return found === image ? undefined : `${leader} with ${found}`;
    });
    // Only a new generation that is seen tells that this operator has looked at all of the spec.
    const readyDeadlineSeconds = 600 + (await generationOf('glc/gitaly'));
    await loaded.change({ update: { readyDeadlineSeconds } });
    const wanted = await generationOf('glc/gitaly');
    await waitFor(`the operator to have seen generation ${wanted}`, 120_000, async () => {
      const { observedGeneration } = await underTest.status();
      return observedGeneration === wanted ? undefined : `${observedGeneration}`;
    });
  }

  /** Waits until the proxies are new and the old ones have gone. */
  async function waitUntilReplaced(old: readonly string[]): Promise<void> {
    await waitForDeployment(loaded.cluster, namespace, deployment, 300_000);
    await waitFor('the old proxies to go', 400_000, async () => {
      const left = (await allPodNames()).filter((name) => old.includes(name));
      return left.length === 0 ? undefined : left.join(', ');
    });
  }

  /** How often the spec of an object, such as `deployment/gitaly-proxy`, has changed. */
  async function generationOf(object: string): Promise<number> {
    const path = ['-n', namespace, 'get', object, '-o', 'jsonpath={.metadata.generation}'];
    return Number(await loaded.cluster.kubectl(path));
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
