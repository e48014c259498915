import type { Pod } from '../../api/kubernetes.ts';
import { evictableSinceKey, labelKeys } from '../../api/names.ts';
import type { PodEviction } from './roll-observation.ts';

/**
 * How a pod is marked as evictable. The PodDisruptionBudget lets none of the pods go that it selects, and it selects
 * those without the label: so that a pod goes when it has the label, whatever becomes of the operator.
 */
export function evictionOf({ metadata: { labels, annotations } }: Pod): PodEviction {
  const sinceMs = Date.parse(annotations?.[evictableSinceKey] ?? '');
  return {
    isAllowed: labels?.[labelKeys.evictable] !== undefined,
    sinceMs: Number.isNaN(sinceMs) ? undefined : sinceMs,
  };
}

/**
 * The merge patch that allows the eviction of the pod with that UID, or refuses it from now on.
 *
 * @param nowMs milliseconds since 1970-01-01 UTC
 */
export function evictionPatch(uid: string, isAllowed: boolean, nowMs: number): object {
  const labels = { [labelKeys.evictable]: isAllowed ? 'true' : null };
  const annotations = { [evictableSinceKey]: new Date(nowMs).toISOString() };
  return { metadata: { uid, labels, ...(isAllowed && { annotations }) } };
}
