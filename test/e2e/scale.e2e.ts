import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { podsOf } from '../scenario/pods.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { callTasks, type LoadTarget } from '../support/steady-load.ts';
import { hangLimitMs } from './hang-limit.ts';
import { loadTarget, underLoad } from './load-check.ts';
import { LoadedCluster, loadedClusterLimitMs } from './loaded-cluster.ts';

const namespace = 'gitaly-scale';
const storageSelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=storage';
const added = ['gitaly-default-3', 'gitaly-default-4'];

jest.setTimeout(hangLimitMs);

describe('a cluster that gets more storages, and fewer again, under load', () => {
  const scope = new Scope();
  let loaded: LoadedCluster;

  beforeAll(async () => {
    loaded = await LoadedCluster.start(scope, { namespace });
  }, loadedClusterLimitMs);

  afterAll(() => scope.stop());

  test('uses the new ones, empties them before they go, keeps their volumes, and fails no call', async () => {
    const { client, cluster, underTest } = loaded;
    const moved: LoadTarget[] = [];
    const plain = await loaded.startGoClient();
    await underLoad(await loaded.tasks(), async () => {
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
    // The operator asks for fewer; the StatefulSet's controller has them go after that.
    await waitFor('the added storages to go', 120_000, async () => {
      const names = (await podsOf(cluster, namespace, storageSelector)).map(({ name }) => name);
      const left = [0, 1, 2].map((ordinal) => `gitaly-default-${ordinal}`);
      return names.toSorted().join() === left.join() ? undefined : names.join();
    });
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
    const [virtualStorage] = loaded.manifest.spec['virtualStorages'] as [object];
    await loaded.change({
      virtualStorages: [{ ...virtualStorage, storages, replicationFactor: 3 }],
    });
    await waitFor(`${storages} storages`, 600_000, async () => {
      const { phase, ready, reason, message, data } = await loaded.underTest.status();
      const isDone = phase === 'Ready' && ready === `${storages}/${storages}` && data === 'Safe';
      return isDone ? undefined : `${ready} ${reason}: ${message}`;
    });
  }

  async function storagesOf(relativePath: string): Promise<readonly string[]> {
    const filter = { virtualStorage: 'default', relativePath };
    for await (const { replicas } of loaded.client.admin.listRepositories(filter)) {
      return replicas.map(({ storage }) => storage);
    }
    throw new Error(`${relativePath} is not listed`);
  }
});
