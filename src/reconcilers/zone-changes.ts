import type { Node } from '../api/kubernetes.ts';
import { storagesOf, type ClusterContext } from './cluster-context.ts';
import { byName, type ObservedCluster } from './observed-cluster.ts';
import { reportOf } from './proxy-report.ts';

/** A storage of which the proxies are to know in which zone it is. */
export interface ZoneChange {
  readonly virtualStorage: string;
  readonly storage: string;
  readonly zone: string;
}

/** https://kubernetes.io/docs/reference/labels-annotations-taints/#topologykubernetesiozone */
const zoneLabel = 'topology.kubernetes.io/zone';

/**
 * What the proxies do not know yet of the zones in which the storages' pods run. Where nobody can tell now, since a
 * pod waits for its node or the node has no such label, they keep what they know: a node that is replaced takes no
 * zone away.
 */
export function zoneChanges(
  context: ClusterContext,
  { pods, report }: Pick<ObservedCluster, 'pods' | 'report'>,
  nodes: readonly Node[],
): readonly ZoneChange[] {
  if (report.kind === 'silent' || !report.storeReachable) return [];
  const zones = new Map(nodes.map(({ metadata }) => [metadata.name, metadata.labels?.[zoneLabel]]));
  return context.spec.virtualStorages.flatMap((virtualStorage) => {
    const known = reportOf(report, virtualStorage.name)?.storages ?? [];
    return storagesOf(context, virtualStorage).flatMap(({ name: storage }) => {
      const told = known.find(({ name }) => name === storage);
      const zone = zones.get(byName(pods, storage)?.spec.nodeName ?? '');
      if (told === undefined || zone === undefined || zone === '' || zone === told.zone) return [];
      return [{ virtualStorage: virtualStorage.name, storage, zone }];
    });
  });
}
