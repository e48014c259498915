import type { DrainReport } from '../proxy-report.ts';
import { isOldTemplate, type OutdatedReason } from './outdated-reasons.ts';
import type { ObservedStorage, RollObservation } from './roll-observation.ts';
import type { StartupLog } from './startup-log.ts';

/** Who the operator is when it asks for a drain. */
export const drainRequester = 'operator';

/** Where a storage is in its update. */
export type StorageState =
  /** Its pod is the one wanted and serves, and all its replicas are in sync. */
  | { readonly kind: 'upToDate' }
  /** Its pod serves, and is to be replaced. */
  | { readonly kind: 'outdated'; readonly reasons: readonly OutdatedReason[] }
  /** Its pod is to be replaced, and no client can be on it. */
  | {
      readonly kind: 'broken';
      readonly reasons: readonly OutdatedReason[];
      readonly message: string;
      /** It does not get ready by waiting. */
      readonly isFailing: boolean;
    }
  /** The operator has asked for the drain, and calls or unaware proxies are left. */
  | { readonly kind: 'draining'; readonly reasons: readonly OutdatedReason[] }
  /** Only calls are left, for longer than they may. */
  | { readonly kind: 'overdue'; readonly reasons: readonly OutdatedReason[] }
  | { readonly kind: 'drained'; readonly reasons: readonly OutdatedReason[] }
  /** It was drained or overdue, and its pod goes as soon as somebody evicts it. Calls may have begun since. */
  | { readonly kind: 'evictable'; readonly reasons: readonly OutdatedReason[] }
  /** The pod was told to stop. */
  | { readonly kind: 'stopping' }
  /** There is no pod. */
  | { readonly kind: 'absent' }
  /** The pod wanted is there, and not ready yet. */
  | { readonly kind: 'starting'; readonly message: string }
  /** The pod wanted is there, and does not get ready by waiting, or not within its limit. */
  | { readonly kind: 'failed'; readonly message: string }
  /** The pod wanted is ready, but the storage is not healthy, or replicas are not in sync. */
  | { readonly kind: 'returning' }
  /** As `back`, but nobody knows yet whether its log has errors from its start. */
  | { readonly kind: 'unchecked'; readonly message: string }
  /** As `back`, but it has such errors, or its log could not be read within the limit for new pods. */
  | { readonly kind: 'flawed'; readonly message: string }
  /** All is well again, and the operator's drain is still there. */
  | { readonly kind: 'back' }
  /** Kubernetes has not looked at the newest template yet. */
  | { readonly kind: 'undetermined' };

/**
 * Where a storage is in its update, from what is observed alone.
 *
 * A pod that is not ready has no client if the proxies find the storage not healthy, or if they say nothing and
 * its server does not run. Otherwise it counts as serving: it may only have missed a probe.
 */
export function storageState(
  { pod, report }: ObservedStorage,
  { nowMs, policy, proxies }: Pick<RollObservation, 'nowMs' | 'policy' | 'proxies'>,
): StorageState {
  if (pod.kind !== 'present') return { kind: pod.kind };
  const { readiness, outdated, startup } = pod;
  if (outdated === undefined) return { kind: 'undetermined' };
  const drain = ownDrainOf(report);
  if (readiness.kind === 'notReady') {
    const { message, sinceMs, isRunning } = readiness;
    const isFailing =
      readiness.isFailing || (sinceMs !== undefined && nowMs - sinceMs >= policy.readyDeadlineMs);
    // Nothing holds up an eviction of a pod that is not ready, so that a node alone is no reason here.
    if (!isOldTemplate(outdated)) return { kind: isFailing ? 'failed' : 'starting', message };
    const mayServe = report ? report.healthy || isDisputed(report) : isRunning;
    if (!mayServe) return { kind: 'broken', reasons: outdated, message, isFailing };
  }
  if (outdated.length > 0) {
    if (!drain) return { kind: 'outdated', reasons: outdated };
    // Its node is the only reason: who clears that must not have clients come back to it.
    const isNew = !isOldTemplate(outdated);
    if (isNew && policy.checksStartup && startup?.kind === 'errors') return flawed(startup);
    const isAware = drain.unaware.length === 0;
    if (pod.eviction.isAllowed && isAware && isLeftToEviction(outdated, policy)) {
      return { kind: 'evictable', reasons: outdated };
    }
    return { kind: drainState(drain, nowMs - policy.drainDeadlineMs), reasons: outdated };
  }
  if (proxies.kind === 'answered' && !isWhole(report)) return { kind: 'returning' };
  return drain ? startedState(startup, { nowMs, policy }) : { kind: 'upToDate' };
}

function startedState(
  startup: StartupLog | undefined,
  { nowMs, policy }: Pick<RollObservation, 'nowMs' | 'policy'>,
): StorageState {
  if (!policy.checksStartup || startup?.kind === 'clean') return { kind: 'back' };
  if (startup === undefined) return { kind: 'unchecked', message: 'nobody has read it yet' };
  if (startup.kind === 'errors') return flawed(startup);
  const isOverdue = nowMs - startup.sinceMs >= policy.readyDeadlineMs;
  return { kind: isOverdue ? 'flawed' : 'unchecked', message: startup.message };
}

function flawed({ message }: { readonly message: string }): StorageState {
  return { kind: 'flawed', message };
}

/** Whether it matters now what the pod has logged until it was ready: clients are kept away from one that is new. */
export function needsStartupLog({ pod, report }: ObservedStorage): boolean {
  if (pod.kind !== 'present' || pod.readiness.kind !== 'ready') return false;
  const isNew = pod.outdated !== undefined && !isOldTemplate(pod.outdated);
  return isNew && ownDrainOf(report) !== undefined;
}

/** Whether the storage shows that the revision wanted does not work: nothing else is taken down for it. */
export function isFailed({ kind }: StorageState): boolean {
  return kind === 'failed' || kind === 'flawed';
}

/**
 * Whether the pod, once it is drained, is left to whoever clears its node: the operator itself has no reason to
 * replace it, or may not.
 */
export function isLeftToEviction(
  reasons: readonly OutdatedReason[],
  { paused }: RollObservation['policy'],
): boolean {
  return reasons.includes('node') && (paused || !isOldTemplate(reasons));
}

/** Whether the pod goes for its node alone, and not for a roll, or for one that is paused. */
export function isForNode(
  reasons: readonly OutdatedReason[],
  policy: RollObservation['policy'],
): boolean {
  if (!reasons.includes('maintenance')) return isLeftToEviction(reasons, policy);
  return policy.paused || !isOldTemplate(reasons);
}

/** The drain of a storage, if the operator is among those who have asked for it. */
export function ownDrainOf(report: ObservedStorage['report']): DrainReport | undefined {
  return report?.drain?.requesters.some(({ requester }) => requester === drainRequester)
    ? report.drain
    : undefined;
}

/** When the operator asked for the drain (milliseconds since 1970-01-01 UTC, by the store's clock). */
export function requestedMs({ requesters }: DrainReport): number {
  return requesters.find(({ requester }) => requester === drainRequester)?.requestedMs ?? 0;
}

/** Whether the storage serves the clients of every proxy, with every replica that it should hold. */
export function isWhole(report: ObservedStorage['report']): boolean {
  return report !== undefined && isUsable(report) && missingReplicas(report) === 0;
}

/** Whether every proxy finds the storage healthy. */
export function isUsable(report: ObservedStorage['report']): boolean {
  return report?.healthy === true && !isDisputed(report);
}

function isDisputed({ disputedBy = [] }: NonNullable<ObservedStorage['report']>): boolean {
  return disputedBy.length > 0;
}

/** How many replicas on the storage are of no use now. What only moves is missed by nobody, and holds nothing up. */
export function missingReplicas(report: NonNullable<ObservedStorage['report']>): number {
  const { healthy, replicas, inSync, moving = 0 } = report;
  return healthy ? Math.max(0, replicas - inSync - moving) : replicas - moving;
}

function drainState(
  drain: DrainReport,
  overdueBeforeMs: number,
): 'draining' | 'overdue' | 'drained' {
  if (drain.drained) return 'drained';
  // Whoever has not heard of the drain may send clients there: no deadline makes that right.
  if (drain.unaware.length > 0) return 'draining';
  return requestedMs(drain) <= overdueBeforeMs ? 'overdue' : 'draining';
}
