import type {
  ConfigMap,
  Deployment,
  KubeObject,
  Node,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  Secret,
  Service,
  StatefulSet,
} from '../api/kubernetes.ts';
import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import type { GitalyMaintenance } from '../api/generated/gitaly-maintenance.ts';

/** A kind of object, as a path names it. The type parameter is what it holds. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  readonly apiVersion: string;
  readonly kind: T['kind'];
  readonly plural: string;
}

function resourceType<T extends KubeObject>(
  apiVersion: string,
  kind: T['kind'],
  plural: string,
): ResourceType<T> {
  return { apiVersion, kind, plural };
}

/** The kinds that we watch or write. */
export const resourceTypes = {
  gitalyCluster: resourceType<GitalyCluster>(
    'gitaly.dev/v1alpha1',
    'GitalyCluster',
    'gitalyclusters',
  ),
  maintenance: resourceType<GitalyMaintenance>(
    'gitaly.dev/v1alpha1',
    'GitalyMaintenance',
    'gitalymaintenances',
  ),
  statefulSet: resourceType<StatefulSet>('apps/v1', 'StatefulSet', 'statefulsets'),
  deployment: resourceType<Deployment>('apps/v1', 'Deployment', 'deployments'),
  service: resourceType<Service>('v1', 'Service', 'services'),
  configMap: resourceType<ConfigMap>('v1', 'ConfigMap', 'configmaps'),
  secret: resourceType<Secret>('v1', 'Secret', 'secrets'),
  pod: resourceType<Pod>('v1', 'Pod', 'pods'),
  claim: resourceType<PersistentVolumeClaim>(
    'v1',
    'PersistentVolumeClaim',
    'persistentvolumeclaims',
  ),
  disruptionBudget: resourceType<PodDisruptionBudget>(
    'policy/v1',
    'PodDisruptionBudget',
    'poddisruptionbudgets',
  ),
  /** Not in any namespace. */
  node: resourceType<Node>('v1', 'Node', 'nodes'),
  lease: resourceType<Lease>('coordination.k8s.io/v1', 'Lease', 'leases'),
  event: resourceType<KubeEvent>('events.k8s.io/v1', 'Event', 'events'),
} as const;

/** coordination.k8s.io/v1 Lease. Times are RFC 3339 with microseconds. */
export interface Lease extends KubeObject {
  readonly apiVersion: 'coordination.k8s.io/v1';
  readonly kind: 'Lease';
  readonly spec: LeaseSpec;
}

/** Who holds a lease and since when. */
interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

/** events.k8s.io/v1 Event. */
export interface KubeEvent extends KubeObject {
  readonly apiVersion: 'events.k8s.io/v1';
  readonly kind: 'Event';
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly action: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly note: string;
  readonly regarding: ObjectReference;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

/** Which object something is about. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

const byKind: ReadonlyMap<string, ResourceType> = new Map(
  Object.values(resourceTypes).map((type) => [type.kind, type]),
);

/** The type of an object that we built. Throws if it is of a kind that is not in the table. */
export function resourceTypeOf({ kind }: Pick<KubeObject, 'kind'>): ResourceType {
  const type = byKind.get(kind);
  if (!type) throw new Error(`kind ${kind} is not in src/kube/resource-types.ts`);
  return type;
}

/** Which object of a kind. */
export interface ObjectName {
  /** Empty for a kind that is in no namespace. */
  readonly namespace: string;
  readonly name: string;
}

/** The path of the objects of a kind, in one namespace or, without one, in all. */
export function collectionPath({ apiVersion, plural }: ResourceType, namespace?: string): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return namespace === undefined
    ? `${group}/${plural}`
    : `${group}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}

/** The path of one object. */
export function objectPath(type: ResourceType, { namespace, name }: ObjectName): string {
  const collection = collectionPath(type, namespace === '' ? undefined : namespace);
  return `${collection}/${encodeURIComponent(name)}`;
}
