import type { EffectiveVirtualStorage } from '../../api/effective-spec.ts';
import type { StorageStatus, VirtualStorageStatus } from '../../api/generated/gitaly-cluster.ts';
import type { Pod, StatefulSet } from '../../api/kubernetes.ts';
import { objectNames } from '../../api/names.ts';
import { storagesOf, type ClusterContext } from '../cluster-context.ts';
import { repositoriesClaimName } from '../gitaly-stateful-set.ts';
import { byName, type ObservedCluster } from '../observed-cluster.ts';
import { podProblem, isPodReady } from './pod-state.ts';
import { reportOf, type StorageReport } from '../proxy-report.ts';

/** What a virtual storage's status is made from. */
export interface VirtualStorageStatusInput {
  readonly context: ClusterContext;
  readonly virtualStorage: EffectiveVirtualStorage;
  readonly observed: ObservedCluster;
  /** Its last status: keeps the counts while no proxy answers. */
  readonly previous: VirtualStorageStatus | undefined;
}

/** The status of a virtual storage and of each of its storages. */
export function virtualStorageStatus(input: VirtualStorageStatusInput): VirtualStorageStatus {
  const { context, virtualStorage, observed, previous } = input;
  const { name, replicationFactor, minInSyncReplicas } = virtualStorage;
  const storages = storagesOf(context, virtualStorage).map((storage) =>
    storageStatus(input, storage.name),
  );
  const counts = reportOf(observed.report, name) ?? previous;
  return {
    name,
    ready: `${storages.filter(({ ready }) => ready).length}/${storages.length}`,
    replicationFactor,
    minInSyncReplicas,
    ...pickDefined(counts, [
      'repositories',
      'fullyReplicated',
      'degraded',
      'atRisk',
      'unavailable',
    ] as const),
    storages,
  };
}

function storageStatus(
  { context, virtualStorage, observed }: VirtualStorageStatusInput,
  name: string,
): StorageStatus {
  const pod = byName(observed.pods, name);
  const set = byName(
    observed.statefulSets,
    objectNames.storages(context.name, virtualStorage.name),
  );
  const claim = byName(observed.claims, repositoriesClaimName(name));
  const report = reportOf(observed.report, virtualStorage.name)?.storages.find(
    (storage) => storage.name === name,
  );
  const message = podProblem(pod) ?? (report?.healthy === false ? report.healthReason : undefined);
  const volumeSize = claim?.status?.capacity?.storage;
  return {
    name,
    ready: isPodReady(pod),
    health: healthOf(report),
    ...(message !== undefined && { message }),
    ...(isOutdated(pod, set) && { outdated: true }),
    ...(volumeSize !== undefined && { volumeSize }),
    ...pickDefined(report, ['replicas', 'inSync', 'primaries'] as const),
  };
}

function healthOf(report: StorageReport | undefined): StorageStatus['health'] {
  if (!report) return 'Unknown';
  return report.healthy ? 'Healthy' : 'Unhealthy';
}

/** Whether the pod was made from an older template. False while Kubernetes has not said yet. */
function isOutdated(pod: Pod | undefined, set: StatefulSet | undefined): boolean {
  const revision = pod?.metadata.labels?.['controller-revision-hash'];
  const wanted = set?.status?.updateRevision;
  const seen = set?.status?.observedGeneration === set?.metadata.generation;
  return seen && revision !== undefined && wanted !== undefined && revision !== wanted;
}

function pickDefined<T extends object, K extends keyof T>(
  from: T | undefined,
  keys: readonly K[],
): Partial<Pick<T, K>> {
  if (!from) return {};
  const entries = keys.map((key) => [key, from[key]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Partial<
    Pick<T, K>
  >;
}
