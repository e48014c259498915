import { rm } from 'node:fs/promises';
import { Resolver } from 'node:dns/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import {
  exampleManifest,
  GitalyClusterUnderTest,
  virtualStorage,
} from '../scenario/gitaly-cluster.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { podsOf, waitForDeployment, warningsSince } from '../scenario/pods.ts';
import { freshNamespace } from '../scenario/product.ts';
import { reach } from '../scenario/reach.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { commitFile } from '../support/commit-file.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { SteadyGoClient } from '../support/steady-go-client.ts';
import {
  callTasks,
  patientMs,
  SteadyLoad,
  type LoadTarget,
  type LoadTask,
} from '../support/steady-load.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';

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
    await underTest.apply(await exampleManifest(cluster, namespace));
    token = await underTest.token('client-token');
    const service = { namespace, kind: 'service', name: deployment } as const;
    const reached = scope.own(await reach(cluster, service, port));
    serviceAddress = `${reached.host}:${reached.port}`;
    const address = `tcp://${serviceAddress}`;
    byService = scope.own(createGitalyClient({ address, token, deadlineMs: patientMs }));
  }, goProgramLimitMs + 600_000);

  afterAll(() => scope.stop());

  test('nobody notices', async () => {
    const startedAt = new Date();
    const goClients = await startGoClients();
    const load = scope.own(
      new SteadyLoad([
        ...callTasks('by-service', byService, await target('by-service.git')),
        ...(await byNameTasks()),
        ...(await gitTasks()),
      ]),
    );
    await waitFor('every kind of work', 120_000, async () => howMany(load, () => 2));

    const old = await podNames();
    const path = ['-n', namespace, 'rollout'];
    await cluster.kubectl([...path, 'restart', `deployment/${deployment}`]);
    await waitForDeployment(cluster, namespace, deployment, 300_000);
    await waitFor('the old proxies to go', 400_000, async () => {
      const left = (await allPodNames()).filter((name) => old.includes(name));
      return left.length === 0 ? undefined : left.join(', ');
    });

    const before = new Map(load.done);
    await waitFor('every kind of work to go on', 120_000, async () =>
      howMany(load, (name) => (before.get(name) ?? 0) + 2),
    );
    await load.stop();
    const reports = await Promise.all(goClients.map((client) => client.finish()));
    process.stderr.write(`calls done: ${JSON.stringify([...load.done])}\n`);
    process.stderr.write(`calls of the clients in Go: ${JSON.stringify(reports)}\n`);
    process.stderr.write(await warningsSince(cluster, namespace, proxySelector, startedAt));
    expect(load.failures).toEqual([]);
    expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
    expect(await podNames()).toHaveLength(2);
    await underTest.waitUntilSafe();
  });

  /** Makes a repository with one commit. */
  async function target(relativePath: string): Promise<LoadTarget> {
    const repository = { storageName: virtualStorage, relativePath };
    await byService.repository.createRepository({ repository });
    const commit = await commitFile(byService, { repository, branch: 'main', text: 'first' });
    return { repository, commit };
  }

  /** One knows the Service's address, the other asks the cluster's name server for every proxy. */
  async function startGoClients(): Promise<readonly SteadyGoClient[]> {
    const targets = { 'go-service': `passthrough:///${serviceAddress}` };
    const byName = cluster.reachesPods
      ? { 'go-name': `dns://${await nameServer()}/${headlessName}:${port}` }
      : {};
    return Promise.all(
      Object.entries({ ...targets, ...byName }).map(async ([prefix, address]) => {
        const { repository, commit } = await target(`${prefix}.git`);
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
      deadlineMs: patientMs,
      lookup: (host) => resolver.resolve4(host),
    });
    return callTasks('by-name', scope.own(client), await target('by-name.git'));
  }

  async function gitTasks(): Promise<readonly LoadTask[]> {
    const { repository } = await target('git.git');
    const git = await underTest.git();
    const url = git.url(repository.relativePath);
    const tree = git.folder('tree');
    await git.git('.', ['clone', '-q', '--branch', 'main', url, tree]);
    return [
      {
        name: 'pushes',
        async once(round) {
          await git.git(tree, ['commit', '-q', '--allow-empty', '-m', `push ${round}`]);
          await git.git(tree, ['push', '-q', url, 'main']);
        },
      },
      {
        name: 'clones',
        async once(round) {
          const folder = git.folder(`clone-${round}`);
          await git.git('.', ['clone', '-q', url, folder]);
          await rm(folder, { recursive: true });
        },
      },
    ];
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

/** What is missing until every task was done so often. */
function howMany(load: SteadyLoad, wanted: (task: string) => number): string | undefined {
  const missing = [...load.done].filter(([name, rounds]) => rounds < wanted(name));
  if (missing.length === 0) return undefined;
  return [...missing.map(([name]) => name), ...load.failures.slice(0, 3)].join(', ');
}
