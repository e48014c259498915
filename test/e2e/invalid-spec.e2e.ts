import { beforeAll, describe, expect, test } from '@jest/globals';
import { exampleManifest, exampleObject, type Manifest } from '../scenario/gitaly-cluster.ts';
import { freshNamespace } from '../scenario/product.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { silentProgress } from '../testbed/progress.ts';
import { hangLimitMs } from './hang-limit.ts';

const namespace = 'gitaly-e2e-invalid';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await openCluster(silentProgress);
  await freshNamespace(cluster, namespace);
}, hangLimitMs);

const apply = (manifest: Manifest) =>
  cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(manifest) });

describe('kubectl apply of a GitalyCluster that makes no sense', () => {
  let example: Manifest;

  beforeAll(async () => {
    example = await exampleManifest(cluster, namespace);
  });

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

describe('kubectl apply of a GitalyMaintenance', () => {
  let example: Manifest;

  beforeAll(async () => {
    const manifest = await exampleObject('gitalymaintenance');
    example = { ...manifest, metadata: { ...manifest.metadata, namespace } };
  });

  const withSpec = (spec: Record<string, unknown>): Manifest => ({
    ...example,
    spec: { ...example.spec, ...spec },
  });
  const window = { start: '2026-10-10T22:00:00Z', end: '2026-10-11T04:00:00Z' };

  test('is accepted if it is the example, also with a window and with names', async () => {
    await apply(example);
    await apply(withSpec({ window, nodes: { names: ['node-1', 'node-2'] } }));
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['no node', { nodes: { names: [] } }, 'write names, matchLabels or both'],
    ['a node twice', { nodes: { names: ['node-1', 'node-1'] } }, 'Duplicate value: "node-1"'],
    [
      'a window that ends before it begins',
      { window: { start: window.end, end: window.start } },
      'write an end that is after start',
    ],
    ['a window without a time', { window: {} }, 'or leave window out'],
    ['a time that is none', { window: { start: 'tonight' } }, 'must be of type date-time'],
    ['no group', { groupSize: 0 }, 'greater than or equal to 1'],
    ['a way to be done that is none', { nodeDone: 'Patched' }, '"Rebooted", "Uncordoned"'],
    ['a misspelt field', { node: {} }, 'unknown field "spec.node"'],
    ['no name of a cluster', { clusterName: 'Gitaly' }, 'spec.clusterName in body should match'],
  ])('is refused: %s', async (_what, spec, advice) => {
    await expect(apply(withSpec(spec))).rejects.toThrow(advice);
  });

  test('is refused for another cluster than before', async () => {
    await apply(example);
    await expect(apply(withSpec({ clusterName: 'other' }))).rejects.toThrow(
      'make another maintenance for the other cluster',
    );
  });
});
