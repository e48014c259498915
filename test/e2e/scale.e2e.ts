import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import {
  exampleManifest,
  GitalyClusterUnderTest,
  type Manifest,
} from '../scenario/gitaly-cluster.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { podsOf } from '../scenario/pods.ts';
import { freshNamespace } from '../scenario/product.ts';
import { reach } from '../scenario/reach.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { SteadyGoClient } from '../support/steady-go-client.ts';
import { callTasks, patience, type LoadTarget } from '../support/steady-load.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { gitTasks, loadTarget, underLoad } from './load-check.ts';

const namespace = 'gitaly-scale';
const port = 8075;
const storageSelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=storage';
const added = ['gitaly-default-3', 'gitaly-default-4'];

jest.setTimeout(900_000);

describe('a cluster that gets more storages, and fewer again, under load', () => {
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

  test('uses the new ones, empties them before they go, keeps their volumes, and fails no call', async () => {
    const git = await gitTasks(await underTest.git(), await loadTarget(client, 'git.git'));
    const own = callTasks('own', client, await loadTarget(client, 'own.git'));
    const moved: LoadTarget[] = [];
    const plain = await startGoClient();
    await underLoad([...own, ...git], async () => {
      await scaleTo(5);
      for (let number = 0; moved.length < 3 && number < 50; number++) {
        const target = await loadTarget(client, `new-${number}.git`);
        const storages = await storagesOf(target.repository.relativePath);
        if (added.some((storage) => storages.includes(storage))) moved.push(target);
      }
      expect(moved).toHaveLength(3);
      const onMoved = moved.flatMap((target, at) => callTasks(`moved-${at}`, client, target));
      await underLoad(onMoved, () => scaleTo(3));
    });
    const pods = await podsOf(cluster, namespace, storageSelector);
    expect(pods.map(({ name }) => name).toSorted()).toEqual(
      [0, 1, 2].map((ordinal) => `gitaly-default-${ordinal}`),
    );
    const report = await plain.finish();
    process.stderr.write(`calls of the client in Go: ${JSON.stringify(report)}\n`);
    process.stderr.write(`${await underTest.table()}\n`);
    expect(report.failures).toEqual([]);
    for (const { repository, commit } of moved) {
      const revision = Buffer.from('main');
      expect((await client.commit.findCommit({ repository, revision })).commit?.id).toBe(commit);
      expect(await storagesOf(repository.relativePath)).toHaveLength(3);
    }
    const claims = await cluster.kubectl(['-n', namespace, 'get', 'pvc', '-o', 'name']);
    for (const storage of added) expect(claims).toContain(`repositories-${storage}`);
  });

  /** Applies the number, and waits until all is as the spec says. */
  async function scaleTo(storages: number): Promise<void> {
    const [virtualStorage] = manifest.spec['virtualStorages'] as [object];
    manifest.spec['virtualStorages'] = [{ ...virtualStorage, storages, replicationFactor: 3 }];
    await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(manifest) });
    await waitFor(`${storages} storages`, 600_000, async () => {
      const { phase, ready, reason, message, data } = await underTest.status();
      const isDone = phase === 'Ready' && ready === `${storages}/${storages}` && data === 'Safe';
      return isDone ? undefined : `${ready} ${reason}: ${message}`;
    });
  }

  /** It tries nothing twice but what gRPC in Go tries by itself. */
  async function startGoClient(): Promise<SteadyGoClient> {
    const { repository, commit } = await loadTarget(client, 'go.git');
    const { relativePath, storageName: storage } = repository;
    const where = { target: `passthrough:///${address}`, token, storage, relativePath };
    return scope.own(await SteadyGoClient.start({ ...where, commit, prefix: 'go' }));
  }

  async function storagesOf(relativePath: string): Promise<readonly string[]> {
    const filter = { virtualStorage: 'default', relativePath };
    for await (const { replicas } of client.admin.listRepositories(filter)) {
      return replicas.map(({ storage }) => storage);
    }
    throw new Error(`${relativePath} is not listed`);
  }
});
