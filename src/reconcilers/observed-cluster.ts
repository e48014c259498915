import type { Deployment, PersistentVolumeClaim, Pod, StatefulSet } from '../api/kubernetes.ts';
import { objectNames } from '../api/names.ts';
import type { LeavingNodes } from './leaving-nodes.ts';
import type { ActiveMaintenance } from './rollout/maintenance-request.ts';
import type { ProxyReport } from './proxy-report.ts';

/** What exists of a cluster, and what its proxies say. */
export interface ObservedCluster {
  readonly statefulSets: readonly StatefulSet[];
  readonly deployments: readonly Deployment[];
  readonly pods: readonly Pod[];
  readonly claims: readonly PersistentVolumeClaim[];
  readonly databaseSecret: SecretState;
  readonly leavingNodes: LeavingNodes;
  /** The maintenance whose turn it is; absent if none is. */
  readonly maintenance?: ActiveMaintenance | undefined;
  readonly report: ProxyReport;
}

/** Whether a Secret exists, and which keys it has. Never its contents. */
export type SecretState =
  { readonly kind: 'missing' } | { readonly kind: 'present'; readonly keys: readonly string[] };

/** How the last attempt to apply the spec went. */
export type ApplyOutcome =
  | { readonly kind: 'applied' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'deleting' }
  | {
      readonly kind: 'failed';
      readonly reason: 'ApplyFailed' | 'NameTaken' | 'SecretInvalid' | 'VersionSkipped';
      readonly message: string;
    };

/** The object of that name, if it exists. */
export function byName<T extends { readonly metadata: { readonly name: string } }>(
  objects: readonly T[],
  name: string,
): T | undefined {
  return objects.find(({ metadata }) => metadata.name === name);
}

/** The StatefulSet of a virtual storage, if there is one. */
export function storageSetOf(
  cluster: string,
  virtualStorage: string,
  sets: readonly StatefulSet[],
): StatefulSet | undefined {
  return byName(sets, objectNames.storages(cluster, virtualStorage));
}
