import type { Pod, StatefulSet } from '../../api/kubernetes.ts';
import type { EffectiveVirtualStorage } from '../../api/effective-spec.ts';
import { storagesOf, type ClusterContext } from '../cluster-context.ts';
import {
  byName,
  storageSetOf,
  type ApplyOutcome,
  type ObservedCluster,
} from '../observed-cluster.ts';
import { proxyPart } from '../proxy-objects.ts';
import { reportOf, type ProxyReport } from '../proxy-report.ts';
import {
  isPodFailing,
  isPodReady,
  isPodRunning,
  podProblem,
  readinessSinceMs,
} from '../status/pod-state.ts';
import { podsOf } from '../status/pods-of.ts';
import type { LeavingNodes } from '../leaving-nodes.ts';
import { evictionOf } from './eviction-marks.ts';
import type { StartupLog } from './startup-log.ts';
import { outdatedReasons, type OutdatedReason } from './outdated-reasons.ts';
import type {
  ObservedPlacements,
  ObservedPod,
  ObservedProxies,
  ObservedVirtualStorage,
  RollObservation,
} from './roll-observation.ts';

/** What the roll of a cluster is decided from. */
export interface RollInput {
  readonly context: ClusterContext;
  readonly observed: Pick<ObservedCluster, 'pods' | 'statefulSets' | 'leavingNodes' | 'report'>;
  readonly outcome: ApplyOutcome;
  /** What the logs of new pods say, by their UIDs, as far as they were read. */
  readonly startupLogs?: ReadonlyMap<string, StartupLog> | undefined;
  /** Where repositories are, if that was asked: see RollPlan.needsPlacements. */
  readonly placements?: ObservedPlacements | undefined;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly nowMs: number;
}

/** What is observed, in the terms of the roll. */
export function observeRoll(input: RollInput): RollObservation {
  const { context, observed, outcome, nowMs } = input;
  const { paused, drainDeadlineSeconds, readyDeadlineSeconds, startupErrors } = context.spec.update;
  const { groupSize, maxUnavailable } = context.spec.update;
  return {
    nowMs,
    policy: {
      paused,
      drainDeadlineMs: drainDeadlineSeconds * 1000,
      readyDeadlineMs: readyDeadlineSeconds * 1000,
      checksStartup: startupErrors === 'Halt',
    },
    group: { size: groupSize, maxUnavailable },
    isApplied: outcome.kind === 'applied',
    proxies: observedProxies(context, observed),
    virtualStorages: context.spec.virtualStorages.map((virtualStorage) =>
      observedVirtualStorage(input, virtualStorage),
    ),
    placements: input.placements,
  };
}

function observedProxies(
  context: ClusterContext,
  { pods, report }: RollInput['observed'],
): ObservedProxies {
  if (report.kind === 'silent') return { kind: 'silent', message: report.message };
  if (!report.storeReachable) return { kind: 'storeUnreachable' };
  const away = podsOf(context, pods, proxyPart)
    .filter((pod) => isPodReady(pod) && !report.inTouch.includes(pod.metadata.name))
    .map(({ metadata }) => metadata.name);
  return { kind: 'answered', away };
}

function observedVirtualStorage(
  { context, observed, startupLogs }: RollInput,
  virtualStorage: EffectiveVirtualStorage,
): ObservedVirtualStorage {
  const { name } = virtualStorage;
  const report = reportOf(observed.report, name);
  const set = storageSetOf(context.name, name, observed.statefulSets);
  const { degraded = 0, atRisk = 0, unavailable = 0 } = report ?? {};
  return {
    name,
    short: degraded + atRisk + unavailable,
    refusing: atRisk + unavailable,
    minAvailableReplicas:
      context.spec.update.minAvailableReplicas ?? virtualStorage.minInSyncReplicas,
    storages: storagesOf(context, virtualStorage).map((storage) => ({
      name: storage.name,
      pod: observedPod(byName(observed.pods, storage.name), {
        set,
        leavingNodes: observed.leavingNodes,
        startupLogs,
      }),
      report: isCurrent(observed.report)
        ? report?.storages.find((one) => one.name === storage.name)
        : undefined,
    })),
  };
}

/** What a proxy without its database says may be long gone. */
function isCurrent(report: ProxyReport): boolean {
  return report.kind === 'answered' && report.storeReachable;
}

function observedPod(
  pod: Pod | undefined,
  {
    set,
    leavingNodes,
    startupLogs,
  }: Pick<RollInput, 'startupLogs'> & {
    readonly set: StatefulSet | undefined;
    readonly leavingNodes: LeavingNodes;
  },
): ObservedPod {
  if (!pod) return { kind: 'absent' };
  const { uid, deletionTimestamp } = pod.metadata;
  if (deletionTimestamp !== undefined || uid === undefined) return { kind: 'stopping' };
  const leaving = leavingNodes.get(pod.spec.nodeName ?? '');
  const node: readonly OutdatedReason[] = leaving === undefined ? [] : ['node'];
  return {
    kind: 'present',
    uid,
    outdated: outdatedReasons(pod, set)?.concat(node),
    leaving,
    eviction: evictionOf(pod),
    startup: startupLogs?.get(uid),
    readiness: isPodReady(pod)
      ? { kind: 'ready' }
      : {
          kind: 'notReady',
          message: podProblem(pod) ?? 'the pod is not ready',
          sinceMs: readinessSinceMs(pod),
          isFailing: isPodFailing(pod),
          isRunning: isPodRunning(pod),
        },
  };
}
