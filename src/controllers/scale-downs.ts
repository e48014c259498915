import type { EffectiveSpec, EffectiveVirtualStorage } from '../api/effective-spec.ts';
import type { StatefulSet } from '../api/kubernetes.ts';
import type { ObjectName } from '../kube/resource-types.ts';
import type { ClusterContext } from '../reconcilers/cluster-context.ts';
import { storageSetOf, type ObservedCluster } from '../reconcilers/observed-cluster.ts';
import { scaleDownOf, withDecommissioned, type ScaleDown } from '../reconcilers/scale-down.ts';
import { keyOf } from './cluster-key.ts';

/**
 * Carries from one look at a cluster to the next time that its spec is applied which decommissioned storages were
 * found empty.
 */
export class ScaleDowns {
  /** By cluster: virtual storages whose decommissioned storages are empty. */
  readonly #emptied = new Map<string, Set<string>>();

  /** The spec with all storages that there are for now. */
  complete(cluster: ObjectName, spec: EffectiveSpec, sets: readonly StatefulSet[]): EffectiveSpec {
    const emptied = this.#emptied.get(keyOf(cluster));
    const virtualStorages = spec.virtualStorages.map((virtualStorage) => {
      const { name } = virtualStorage;
      const set = storageSetOf(cluster.name, name, sets);
      return withDecommissioned(virtualStorage, set, emptied?.has(name) ?? false);
    });
    return { ...spec, virtualStorages };
  }

  /**
   * Takes note of what was observed.
   *
   * @param observed see {@link scaleDownOf}
   * @returns how far each virtual storage is
   */
  note(
    context: ClusterContext,
    observed: Pick<ObservedCluster, 'pods' | 'report' | 'statefulSets'>,
  ): readonly ScaleDown[] {
    const key = keyOf(context);
    const emptied = this.#emptied.get(key) ?? new Set<string>();
    this.#emptied.set(key, emptied);
    return context.spec.virtualStorages.map((virtualStorage) => {
      const { name } = virtualStorage;
      const scaleDown = scaleDownOf(context, virtualStorage, observed);
      if (scaleDown.kind === 'emptied') emptied.add(name);
      else if (scaleDown.kind === 'moving' || isDone(context, virtualStorage, observed)) {
        emptied.delete(name);
      }
      return scaleDown;
    });
  }

  /** The cluster is gone. */
  forget(cluster: ObjectName): void {
    this.#emptied.delete(keyOf(cluster));
  }
}

/** Whether the StatefulSet was seen as small as it is to be. An older look must not make it larger again. */
function isDone(
  { name: cluster }: ClusterContext,
  { name, storages }: EffectiveVirtualStorage,
  { statefulSets }: Pick<ObservedCluster, 'statefulSets'>,
): boolean {
  return (storageSetOf(cluster, name, statefulSets)?.spec.replicas ?? 0) <= storages;
}
