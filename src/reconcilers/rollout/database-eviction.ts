import { objectNames } from '../../api/names.ts';
import type { ClusterContext } from '../cluster-context.ts';
import { byName, type ObservedCluster } from '../observed-cluster.ts';
import { podsOf } from '../status/pods-of.ts';
import { evictionOf } from './eviction-marks.ts';
import type { RollAction } from './roll-action.ts';

/**
 * Lets the managed database's pod be evicted from a node that is about to go, once no storage of the cluster is left
 * there: without a database no storage can be drained, so that a node which both are on would never be cleared if the
 * database went first, and its volume could not follow it to another node.
 */
export function databaseEviction(
  context: ClusterContext,
  { pods, leavingNodes }: Pick<ObservedCluster, 'pods' | 'leavingNodes'>,
): readonly RollAction[] {
  const name = `${objectNames.database(context.name)}-0`;
  const pod = byName(pods, name);
  const { uid, deletionTimestamp } = pod?.metadata ?? {};
  if (!pod || uid === undefined || deletionTimestamp !== undefined) return [];
  const node = pod.spec.nodeName ?? '';
  const leaving = leavingNodes.get(node);
  const isLast = !podsOf(context, pods, { component: 'storage' }).some(
    ({ spec }) => spec.nodeName === node,
  );
  const isToGo = leaving !== undefined && isLast;
  if (isToGo === evictionOf(pod).isAllowed) return [];
  const place = { virtualStorage: '', storage: name, uid };
  return isToGo
    ? [{ kind: 'allowEviction', ...place, cutsCalls: false, reason: leaving }]
    : [{ kind: 'refuseEviction', ...place, reason: 'its node stays, or has a storage' }];
}
