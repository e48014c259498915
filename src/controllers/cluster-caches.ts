import { Scope, type Stoppable } from '../base/scope.ts';
import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import type { GitalyMaintenance } from '../api/generated/gitaly-maintenance.ts';
import type { KubeObject, Node, Pod } from '../api/kubernetes.ts';
import { labelKeys } from '../api/names.ts';
import type { Selection } from '../kube/kube-client.ts';
import type { ReadonlyObjectStore } from '../kube/object-store.ts';
import { Reflector, type ReflectorOptions } from '../kube/reflector.ts';
import { resourceTypes, type ObjectName, type ResourceType } from '../kube/resource-types.ts';
import type { NodeWatching } from '../reconcilers/leaving-nodes.ts';
import type { ObservedCluster } from '../reconcilers/observed-cluster.ts';

/** What the caches need. */
export interface ClusterCachesOptions extends Omit<
  ReflectorOptions<KubeObject>,
  'type' | 'selection' | 'onChange' | 'mayBeUnknown'
> {
  /** Empty: all. */
  readonly namespaces: readonly string[];
  readonly nodes: NodeWatching;
  /** Told of each cluster that something changed of, again and again; also of those that do not exist. */
  readonly onChange: (cluster: ObjectName) => void;
}

/** The objects of all clusters, kept up to date by watches. */
export interface ClusterCaches extends Stoppable {
  /** Resolves when everything was listed once; never rejects. */
  readonly synced: Promise<void>;
  /** The longest silence of any watch. */
  silentMs(): number;
  /** How often any watch had to begin anew after a failure. */
  failures(): number;
  /** Every cluster. */
  clusters(): GitalyCluster[];
  cluster(name: ObjectName): GitalyCluster | undefined;
  /** The object of that kind and name if it is of a cluster and its kind is watched. */
  find(object: KubeObject): KubeObject | undefined;
  /** The watched objects of a cluster. */
  objectsOf(cluster: ObjectName): WatchedObjects;
  /** Every maintenance. */
  maintenances(): GitalyMaintenance[];
  /** Every maintenance that names the cluster, also one that is completed. None where their CRD is not applied. */
  maintenancesOf(cluster: ObjectName): GitalyMaintenance[];
  /** Every node; none if they are not watched. */
  nodes(): Node[];
}

/** What of a cluster is watched. */
type WatchedObjects = Pick<ObservedCluster, 'statefulSets' | 'deployments' | 'pods' | 'claims'>;

/**
 * Starts one watch a kind and namespace. Secrets are not among them: to watch some, one must be
 * allowed to read all.
 */
export function startClusterCaches(options: ClusterCachesOptions): ClusterCaches {
  const scope = new Scope();
  const reflectors: Reflector<KubeObject>[] = [];
  const children = new Map<string, readonly ReadonlyObjectStore<KubeObject>[]>();
  const namespaces = options.namespaces.length === 0 ? [undefined] : options.namespaces;

  function start<T extends KubeObject>(
    type: ResourceType<T>,
    labelSelector: string | undefined,
    clusterOf: (object: T) => string | undefined,
    mayBeUnknown = false,
  ): ReadonlyObjectStore<T>[] {
    return namespaces.map((namespace) => {
      const selection: Selection = {
        ...(namespace !== undefined && { namespace }),
        ...(labelSelector !== undefined && { labelSelector }),
      };
      const reflector = Reflector.start<T>({
        ...options,
        type,
        selection,
        mayBeUnknown,
        onChange({ object }) {
          const name = clusterOf(object);
          if (name !== undefined) {
            options.onChange({ namespace: object.metadata.namespace ?? '', name });
          }
        },
      });
      reflectors.push(scope.own(reflector) as unknown as Reflector<KubeObject>);
      return reflector.store;
    });
  }

  function startChild<T extends KubeObject>(type: ResourceType<T>): ReadonlyObjectStore<T>[] {
    const stores = start(type, labelKeys.cluster, clusterLabel);
    children.set(type.kind, stores);
    return stores;
  }

  const clusters = start(resourceTypes.gitalyCluster, undefined, ({ metadata }) => metadata.name);
  // Their CRD came later than the other, and may be applied after the operator that looks for them.
  const maintenances = start(
    resourceTypes.maintenance,
    undefined,
    ({ spec }) => spec.clusterName,
    true,
  );
  const statefulSets = startChild(resourceTypes.statefulSet);
  const deployments = startChild(resourceTypes.deployment);
  const pods = startChild(resourceTypes.pod);
  const claims = startChild(resourceTypes.claim);
  for (const type of [
    resourceTypes.service,
    resourceTypes.configMap,
    resourceTypes.disruptionBudget,
  ]) {
    startChild<KubeObject>(type);
  }

  function startNodes(): ReadonlyObjectStore<Node>[] {
    if (!options.nodes.areWatched) return [];
    const reflector = Reflector.start<Node>({
      ...options,
      type: resourceTypes.node,
      selection: {},
      onChange({ object }) {
        for (const pod of listIn(pods, (one) => isOn(one, object))) {
          const name = clusterLabel(pod);
          const { namespace = '' } = pod.metadata;
          if (name !== undefined) options.onChange({ namespace, name });
        }
        for (const { metadata, spec } of listIn(maintenances, (one) => isBusyWith(one, object))) {
          options.onChange({ namespace: metadata.namespace ?? '', name: spec.clusterName });
        }
      },
    });
    reflectors.push(scope.own(reflector) as unknown as Reflector<KubeObject>);
    return [reflector.store];
  }

  const nodes = startNodes();
  return {
    synced: allSynced(reflectors),
    silentMs: () => Math.max(...reflectors.map((reflector) => reflector.silentMs())),
    failures: () => reflectors.reduce((sum, { failures }) => sum + failures, 0),
    clusters: () => listIn(clusters),
    cluster: (name) => findIn(clusters, name),
    find: ({ kind, metadata: { namespace = '', name } }) =>
      findIn(children.get(kind) ?? [], { namespace, name }),
    objectsOf: (cluster) => ({
      statefulSets: childrenOf(cluster, statefulSets),
      deployments: childrenOf(cluster, deployments),
      pods: childrenOf(cluster, pods),
      claims: childrenOf(cluster, claims),
    }),
    maintenances: () => maintenances.flatMap((store) => store.list()),
    maintenancesOf: ({ namespace, name }) =>
      listIn(
        maintenances,
        ({ metadata, spec }) => metadata.namespace === namespace && spec.clusterName === name,
      ),
    nodes: () => listIn(nodes),
    stop: () => scope.stop(),
  };
}

function isOn({ spec }: Pod, { metadata }: Node): boolean {
  return spec.nodeName === metadata.name;
}

/** Whether a maintenance waits for something to happen to a node: one that is cleared has no pods to tell of it. */
function isBusyWith({ status }: GitalyMaintenance, { metadata }: Node): boolean {
  return (
    status?.nodes?.some(({ name, phase }) => name === metadata.name && phase !== 'Done') === true
  );
}

async function allSynced(reflectors: readonly Reflector<KubeObject>[]): Promise<void> {
  await Promise.all(reflectors.map(({ synced }) => synced));
}

function clusterLabel({ metadata }: KubeObject): string | undefined {
  return metadata.labels?.[labelKeys.cluster];
}

function findIn<T extends KubeObject>(
  stores: readonly ReadonlyObjectStore<T>[],
  { namespace, name }: ObjectName,
): T | undefined {
  for (const store of stores) {
    const found = store.get(namespace, name);
    if (found) return found;
  }
  return undefined;
}

function listIn<T extends KubeObject>(
  stores: readonly ReadonlyObjectStore<T>[],
  matches?: (object: T) => boolean,
): T[] {
  return stores.flatMap((store) => store.list(matches));
}

function childrenOf<T extends KubeObject>(
  { namespace, name }: ObjectName,
  stores: readonly ReadonlyObjectStore<T>[],
): T[] {
  return listIn(
    stores,
    (object) => object.metadata.namespace === namespace && clusterLabel(object) === name,
  );
}
