import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { imagesOf, killPod, podsOf, warningsSince } from '../scenario/pods.ts';
import { leaderOf, operatorNamespace } from '../scenario/product.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { hangLimitMs } from './hang-limit.ts';
import { underLoad } from './load-check.ts';
import { LoadedCluster, loadedClusterLimitMs } from './loaded-cluster.ts';

const namespace = 'gitaly-storage-rollout';
const storageSelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=storage';
const proxySelector = 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=proxy';

jest.setTimeout(hangLimitMs);

describe('the storages of a cluster, whose image and configuration are changed under load', () => {
  const scope = new Scope();
  let loaded: LoadedCluster;

  beforeAll(async () => {
    loaded = await LoadedCluster.start(scope, { namespace });
  }, loadedClusterLimitMs);

  afterAll(() => scope.stop());

  test('are replaced one after the other, although the operator dies, and nobody notices', async () => {
    const { client, cluster, manifest, underTest } = loaded;
    const { nextGitaly: image } = cluster.images;
    expect(await imagesOf(cluster, namespace, storageSelector)).not.toContain(image);
    const startedAt = new Date();
    const old = await storageUids();
    const plain = await loaded.startGoClient();
    const replaced = async () =>
      [...(await storageUids())].filter(([name, uid]) => old.get(name) !== uid);
    await underLoad(await loaded.tasks(), async () => {
      const { gitaly } = manifest.spec as { gitaly: object };
      await loaded.change({ gitaly: { ...gitaly, image, gracefulRestartTimeoutSeconds: 45 } });
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
    const events = await loaded.events();
    process.stderr.write(`${events}\n${await underTest.table()}\n`);
    expect(report.failures).toEqual([]);
    expect(await imagesOf(cluster, namespace, storageSelector)).toEqual([image]);
    expect(events).toContain('its pod is outdated (image and configuration)');
    await underTest.waitUntilSafe();
  });

  /** The pods' unique ids by their names. */
  async function storageUids(): Promise<ReadonlyMap<string, string>> {
    const pods = await podsOf(loaded.cluster, namespace, storageSelector);
    return new Map(pods.map(({ name, uid }) => [name, uid]));
  }

  async function progressOf(): Promise<string> {
    const { reason, message } = await loaded.underTest.status();
    return `${reason}: ${message}`;
  }
});
