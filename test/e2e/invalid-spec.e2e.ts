import { beforeAll, describe, expect, test } from '@jest/globals';
import { freshNamespace } from '../scenario/product.ts';
import { exampleManifest, type Manifest } from '../scenario/gitaly-cluster.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { silentProgress } from '../testbed/progress.ts';
import { hangLimitMs } from './hang-limit.ts';

const namespace = 'gitaly-e2e-invalid';

describe('kubectl apply of a GitalyCluster that makes no sense', () => {
  let cluster: Cluster;
  let example: Manifest;

  beforeAll(async () => {
    cluster = await openCluster(silentProgress);
    await freshNamespace(cluster, namespace);
    example = await exampleManifest(cluster, namespace);
  }, hangLimitMs);

  const apply = (manifest: Manifest) =>
    cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(manifest) });
  const withSpec = (spec: Record<string, unknown>): Manifest => ({
    ...example,
    spec: { ...example.spec, ...spec },
  });
  const withStorage = (storage: Record<string, unknown>) =>
    withSpec({
      virtualStorages: [
        { name: 'default', storages: 3, replicationFactor: 3, volume: { size: '1Gi' }, ...storage },
      ],
    });

  test.each<[string, () => Manifest, string]>([
    ['more replicas than storages', () => withStorage({ storages: 2 }), 'lower it or add storages'],
    ['a size that is none', () => withStorage({ volume: { size: 'big' } }), "such as '50Gi'"],
    [
      'a reserved name',
      () => withStorage({ name: 'proxy' }),
      "write another name, such as 'default'",
    ],
    [
      'two databases',
      () => withSpec({ database: { managed: {}, secretRef: { name: 'x' } } }),
      'write exactly one of',
    ],
    ['no database', () => withSpec({ database: {} }), 'write exactly one of'],
    [
      'a name that no Service may have',
      () => ({ ...example, metadata: { name: '1gitaly', namespace } }),
      "starting with a letter, such as 'gitaly'",
    ],
    [
      'a misspelt field',
      () => withSpec({ virtualStorage: [] }),
      'unknown field "spec.virtualStorage"',
    ],
  ])('is refused: %s', async (_what, manifest, advice) => {
    await expect(apply(manifest())).rejects.toThrow(advice);
  });
});
