import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import {
  exampleManifest,
  GitalyClusterUnderTest,
  type Manifest,
} from '../scenario/gitaly-cluster.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { killPod, podsOf, warningsSince } from '../scenario/pods.ts';
import { freshNamespace, leaderOf, operatorNamespace } from '../scenario/product.ts';
import { reach } from '../scenario/reach.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { SteadyGoClient } from '../support/steady-go-client.ts';
import { callTasks, patience } from '../support/steady-load.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { gitTasks, loadTarget, underLoad } from './load-check.ts';

const namespace = 'gitaly-storage-rollout';
const port = 8075;
const storageSelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=storage';
const proxySelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=proxy';

jest.setTimeout(900_000);

describe('the storages of a cluster, whose configuration is changed under load', () => {
  const scope = new Scope();
  let cluster: Cluster;
  let underTest: GitalyClusterUnderTest;
  let manifest: Manifest;
  let client: GitalyClient;
  let address: string;
  let token: string;

  beforeAll(async () => {
    await goProgram('steady');
    cluster = await openCluster(lineProgress((line) => process.stderr.write(line)));
    await freshNamespace(cluster, namespace);
    await installGitlab(cluster, namespace);
    underTest = scope.own(new GitalyClusterUnderTest(cluster, namespace));
    manifest = await exampleManifest(cluster, namespace);
    await underTest.apply(manifest);
    token = await underTest.token('client-token');
    const service = { namespace, kind: 'service', name: 'gitaly-proxy' } as const;
    const reached = scope.own(await reach(cluster, service, port));
    address = `${reached.host}:${reached.port}`;
    client = scope.own(createGitalyClient({ address: `tcp://${address}`, token, ...patience }));
  }, goProgramLimitMs + 600_000);

  afterAll(() => scope.stop());

  test('are replaced one after the other, although the operator dies, and nobody notices', async () => {
    const startedAt = new Date();
    const old = await storageUids();
    const plain = await startGoClient();
    const tasks = [
      ...callTasks('own', client, await loadTarget(client, 'own.git')),
      ...(await gitTasks(await underTest.git(), await loadTarget(client, 'git.git'))),
    ];
    const replaced = async () =>
      [...(await storageUids())].filter(([name, uid]) => old.get(name) !== uid);
    await underLoad(tasks, async () => {
      const { gitaly } = manifest.spec as { gitaly: object };
      manifest.spec['gitaly'] = { ...gitaly, gracefulRestartTimeoutSeconds: 45 };
      await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(manifest) });
      await waitFor('the first storage to be replaced', 300_000, async () =>
        (await replaced()).length > 0 ? undefined : await progressOf(),
      );
      await killPod(cluster, operatorNamespace, await leaderOf(cluster));
      await waitFor('all storages to be replaced, and used again', 600_000, async () => {
        const { phase, virtualStorages = [] } = await underTest.status();
        const { virtualStorages: seen } = await client.admin.getStatus({});
        const isDone =
          phase === 'Ready' &&
          (await replaced()).length === old.size &&
          virtualStorages.every(({ storages }) => storages.every(({ outdated }) => !outdated)) &&
          seen.every(({ storages }) => storages.every(({ drain }) => drain === undefined));
        return isDone ? undefined : await progressOf();
      });
    });
    const report = await plain.finish();
    process.stderr.write(`calls of the client in Go: ${JSON.stringify(report)}\n`);
    process.stderr.write(await warningsSince(cluster, namespace, proxySelector, startedAt));
    process.stderr.write(`${await eventsOf()}\n${await underTest.table()}\n`);
    expect(report.failures).toEqual([]);
    await underTest.waitUntilSafe();
  });

  /** It tries nothing twice but what gRPC in Go tries by itself. */
  async function startGoClient(): Promise<SteadyGoClient> {
    const { repository, commit } = await loadTarget(client, 'go.git');
    const { relativePath, storageName: storage } = repository;
    const where = { target: `passthrough:///${address}`, token, storage, relativePath };
    return scope.own(await SteadyGoClient.start({ ...where, commit, prefix: 'go' }));
  }

  /** The pods' unique ids by their names. */
  async function storageUids(): Promise<ReadonlyMap<string, string>> {
    const pods = await podsOf(cluster, namespace, storageSelector);
    return new Map(pods.map(({ name, uid }) => [name, uid]));
  }

  async function progressOf(): Promise<string> {
    const { reason, message } = await underTest.status();
    return `${reason}: ${message}`;
  }

  /** What a person reads with `kubectl describe`. */
  async function eventsOf(): Promise<string> {
    const path = ['-n', namespace, 'get', 'events', '--field-selector'];
    return cluster.kubectl([...path, 'involvedObject.kind=GitalyCluster']);
  }
});
