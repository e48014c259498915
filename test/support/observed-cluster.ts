import type {
  Deployment,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
} from '../../src/api/kubernetes.ts';
import { objectNames } from '../../src/api/names.ts';
import { storagesOf, type ClusterContext } from '../../src/reconcilers/cluster-context.ts';
import {
  gitalyStatefulSet,
  repositoriesClaimName,
} from '../../src/reconcilers/gitaly-stateful-set.ts';
import { labelsOf, type Part } from '../../src/reconcilers/object-meta.ts';
import type { ObservedCluster } from '../../src/reconcilers/observed-cluster.ts';
import { proxyDeployment } from '../../src/reconcilers/proxy-deployment.ts';
import type {
  ProxyReport,
  RepositoryCounts,
  VirtualStorageReport,
} from '../../src/reconcilers/proxy-report.ts';

/** What is observed of a cluster where all is well: ten repositories in each virtual storage. */
export function readyCluster(context: ClusterContext): ObservedCluster {
  const { virtualStorages, proxy } = context.spec;
  const proxyName = objectNames.proxy(context.name);
  return {
    statefulSets: virtualStorages.map(({ name }) =>
      setOf(context, objectNames.storages(context.name, name)),
    ),
    deployments: [deploymentOf(context)],
    pods: [
      podOf(context, `${objectNames.database(context.name)}-0`, { component: 'database' }),
      ...virtualStorages.flatMap((virtualStorage) =>
        storagesOf(context, virtualStorage).map(({ name }) =>
          podOf(context, name, { component: 'storage', virtualStorage: virtualStorage.name }),
        ),
      ),
      ...Array.from({ length: proxy.replicas }, (_, ordinal) =>
        podOf(context, `${proxyName}-${ordinal}`, { component: 'proxy' }),
      ),
    ],
    claims: virtualStorages.flatMap((virtualStorage) =>
      storagesOf(context, virtualStorage).map(({ name }) =>
        claimOf(repositoriesClaimName(name), virtualStorage.volume.size),
      ),
    ),
    databaseSecret: {
      kind: 'present',
      keys: ['host', 'port', 'dbname', 'username', 'password'],
    },
    leavingNodes: new Map(),
    report: answered(Object.fromEntries(virtualStorages.map(({ name }) => [name, {}]))),
  };
}

/** A pod of a part that is ready, on a node of its own, at revision `revision-1`. */
export function podOf(context: ClusterContext, name: string, part: Part): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: context.namespace,
      uid: `uid-of-${name}`,
      labels: { ...labelsOf(context, part), 'controller-revision-hash': 'revision-1' },
    },
    spec: { nodeName: `node-of-${name}`, containers: [] },
    status: { podIP: '127.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

/** The StatefulSet of a virtual storage, as Kubernetes shows it when it has looked at it. */
export function setOf(
  context: ClusterContext,
  name: string,
  updateRevision = 'revision-1',
): StatefulSet {
  const virtualStorage = context.spec.virtualStorages.find(
    (one) => objectNames.storages(context.name, one.name) === name,
  );
  if (!virtualStorage) throw new Error(`no virtual storage for ${name}`);
  const set = gitalyStatefulSet({ context, virtualStorage, token: 't', current: undefined });
  return {
    ...set,
    metadata: { ...set.metadata, generation: 1 },
    status: { observedGeneration: 1, updateRevision },
  };
}

/** The Deployment of the proxies, rolled out but for what `status` says. */
export function deploymentOf(
  context: ClusterContext,
  status: Deployment['status'] = {},
): Deployment {
  const deployment = proxyDeployment(context, 'tcp');
  const { replicas } = deployment.spec;
  return {
    ...deployment,
    metadata: { ...deployment.metadata, generation: 1 },
    status: {
      observedGeneration: 1,
      updatedReplicas: replicas,
      readyReplicas: replicas,
      ...status,
    },
  };
}

/** A report of a proxy: ten repositories a virtual storage, of which `counts` are not well. */
export function answered(
  counts: Readonly<Record<string, Partial<RepositoryCounts>>>,
  { storeReachable = true } = {},
): ProxyReport {
  return {
    kind: 'answered',
    proxy: 'gitaly-proxy-0',
    storeReachable,
    inTouch: storeReachable ? ['gitaly-proxy-0', 'gitaly-proxy-1'] : [],
    virtualStorages: Object.entries(counts).map(([name, own]) => reportOn(name, own)),
  };
}

function reportOn(name: string, counts: Partial<RepositoryCounts>): VirtualStorageReport {
  const { degraded = 0, atRisk = 0, unavailable = 0, undecided = 0 } = counts;
  return {
    name,
    repositories: 10,
    fullyReplicated: 10 - degraded - atRisk - unavailable,
    degraded,
    atRisk,
    unavailable,
    undecided,
    storages: [0, 1, 2].map((ordinal) => ({
      name: `gitaly-${name}-${ordinal}`,
      healthy: true,
      healthReason: '',
      replicas: 10,
      inSync: 10,
      primaries: 4,
    })),
  };
}

function claimOf(name: string, storage: string): PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: { resources: { requests: { storage } } },
    status: { phase: 'Bound', capacity: { storage } },
  };
}
