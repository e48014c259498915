import { effectiveSpec } from '../../src/api/effective-spec.ts';
import type { GitalyCluster } from '../../src/api/generated/gitaly-cluster.ts';
import type { ClusterContext } from '../../src/reconcilers/cluster-context.ts';

/** A cluster as a user would write it, `gitaly` in namespace `git`, with parts of the spec replaced. */
export function gitalyCluster(
  spec: Partial<GitalyCluster['spec']> = {},
  rest: Partial<GitalyCluster> = {},
): GitalyCluster {
  return {
    apiVersion: 'gitaly.dev/v1alpha1',
    kind: 'GitalyCluster',
    metadata: { name: 'gitaly', namespace: 'git', uid: 'uid-1', generation: 1 },
    spec: {
      gitaly: { image: 'gitaly:1' },
      database: { managed: {} },
      ...spec,
    },
    ...rest,
  };
}

/** What the builders get for {@link gitalyCluster}. The digest is the text's length: good enough. */
export function clusterContext(spec: Partial<GitalyCluster['spec']> = {}): ClusterContext {
  const cluster = gitalyCluster(spec);
  return {
    name: cluster.metadata.name,
    namespace: cluster.metadata.namespace ?? '',
    uid: cluster.metadata.uid ?? '',
    spec: effectiveSpec(cluster, { proxyImage: 'gitaly-operator:1' }),
    watchesNodes: true,
    digest: (text) => `${text.length}`,
  };
}
